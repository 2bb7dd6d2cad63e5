import { chmodSync, lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const others = 0o077

/**
 * Takes a directory and everything in it from other users of the machine; answers the paths whose mode could not be changed. A folder of `sealed`
 * that is closed already is not looked into: it may hold a million files, and was closed after them.
 */
export const tighten = (directory: string, { sealed }: { readonly sealed: string }): readonly string[] => {
  const failed: string[] = []
  const walk = (path: string): void => {
    const entry = lstatSync(path, { throwIfNoEntry: false })
    if (entry === undefined || !(entry.isFile() || entry.isDirectory())) return
    const isOpen = (entry.mode & others) !== 0
    if (entry.isDirectory() && (isOpen || path !== sealed)) for (const name of readdirSync(path)) walk(join(path, name))
    if (!isOpen) return
    try {
      chmodSync(path, entry.mode & 0o700)
    } catch {
      failed.push(path)
    }
  }
  walk(directory)
  return failed
}
