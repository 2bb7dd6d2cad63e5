import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

export const sizeOf = (path: string): number => statSync(path).size

/** Bytes of all files in a folder and below it. */
export const bytesBelow = (directory: string): number =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + sizeOf(join(entry.parentPath, entry.name)), 0)
