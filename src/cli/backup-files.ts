import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, copyFile, mkdir, open, readdir, stat } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'
import type { EventLog } from '../stores/event-log.ts'

/** Files in a backup beside its manifest. */
export const BackupManifest = z.object({
  format: z.literal(1),
  program: z.string(),
  createdAt: z.string(),
  /** Position of the last event. */
  head: z.string(),
  /** Events that the log shows; key streams are not counted. */
  events: z.number().int(),
  files: z.array(z.object({ path: z.string(), bytes: z.number().int(), sha256: z.string() })),
})
export type BackupManifest = z.infer<typeof BackupManifest>

export const manifestName = 'manifest.json'

/** Name of a file in the backup; the log, the blobs and the key stand as they do in a data directory. */
export const backupNames = { log: 'log.db', blobs: 'blobs', key: 'secrets.key', credentials: 'credentials.json' } as const

/** Head and number of events, counted one by one. Throws where one of them cannot be read whole. */
export const census = async (log: EventLog): Promise<{ head: string; events: number }> => {
  let events = 0
  // A log may leave metadata unread until it is asked for: damage must be found here.
  for await (const { metadata: _ } of log.readAll()) events++
  return { head: await log.head(), events }
}

export const fingerprintOf = async (path: string): Promise<{ bytes: number; sha256: string }> => {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return { bytes: (await stat(path)).size, sha256: hash.digest('hex') }
}

/** Copies a file, for its owner alone, and sees it on the disk. */
export const copyDurably = async (from: string, to: string): Promise<void> => {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 })
  await copyFile(from, to)
  // It has got the mode of the original.
  await chmod(to, 0o600)
  await flush(to)
}

export const flush = async (path: string): Promise<void> => {
  const file = await open(path, 'r+')
  await file.sync()
  await file.close()
}

/** Makes the names in a directory durable. */
export const flushDirectory = async (path: string): Promise<void> => {
  const directory = await open(path, 'r')
  await directory.sync()
  await directory.close()
}

/** Paths of all files below a directory, with forward slashes, relative to it. */
export const filesBelow = async (directory: string): Promise<readonly string[]> => {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
}

/** True for a directory that is not there or holds nothing but `ignored` names. */
export const isVacant = async (directory: string, ignored: readonly string[] = []): Promise<boolean> => {
  try {
    return (await readdir(directory)).every((name) => ignored.includes(name))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true
    throw error
  }
}
