import { lstat, readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { randomHex } from '../../../lib/ids.ts'

/** Older ones belong to a process that was killed. */
const oldMs = 24 * 3_600_000

/** A new name beside `path` for what is renamed to it when it is whole. */
export const besides = (path: string): string => `${path}.${randomHex(12)}`

/** Removes what killed processes have left beside `path`, and nothing that another process may still be writing. */
export const removeLeftovers = async (path: string, now: number): Promise<void> => {
  const folder = dirname(path)
  const names = await readdir(folder).catch(() => [])
  for (const name of names) {
    if (!name.startsWith(`${basename(path)}.`)) continue
    const found = await lstat(join(folder, name)).catch(() => undefined)
    if (found !== undefined && now - found.mtimeMs > oldMs) await rm(join(folder, name), { recursive: true, force: true })
  }
}
