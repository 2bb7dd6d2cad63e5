import { createHash } from 'node:crypto'
import { createReadStream, constants as fsConstants } from 'node:fs'
import { copyFile, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemClock } from '../../../lib/clock.ts'
import { messageOf, Unavailable } from '../../../lib/errors.ts'
import { isObject } from '../../../lib/json.ts'
import type { BlobStreams } from '../../blobs.ts'

/** Every failure of the disk is `Unavailable`. */
export const guarded = async <Result>(work: () => Promise<Result>): Promise<Result> => {
  try {
    return await work()
  } catch (error) {
    throw error instanceof Unavailable ? error : new Unavailable(`the blob store failed: ${messageOf(error)}`)
  }
}

/** Undefined where there is no such file. */
export const orMissing = async <Result>(result: Promise<Result>): Promise<Result | undefined> => {
  try {
    return await result
  } catch (error) {
    if (isObject(error) && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Makes the names in a directory durable: a file's own flush does not cover its name. */
export const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * After so many bytes they are flushed: a gigabyte that is flushed at once at the end would hold up every other flush of the file system,
 * those of the log too.
 */
const flushEveryBytes = 32 * 1024 * 1024

/** Writes a new file from a stream; flushed when it resolves. Where it fails there is no file, and what `content` throws is thrown on. */
export const writeStream = async (
  file: string,
  content: AsyncIterable<Uint8Array>,
): Promise<{ readonly bytes: number; readonly sha256: string }> => {
  const handle = await guarded(() => open(file, 'wx', 0o600))
  try {
    const hash = createHash('sha256')
    let [bytes, flushed] = [0, 0]
    for await (const chunk of content) {
      hash.update(chunk)
      bytes += chunk.byteLength
      await guarded(() => handle.writeFile(chunk))
      if (bytes - flushed < flushEveryBytes) continue
      flushed = bytes
      await guarded(() => handle.datasync())
    }
    await guarded(() => handle.sync())
    return { bytes, sha256: hash.digest('hex') }
  } catch (error) {
    await rm(file, { force: true }).catch(() => undefined)
    throw error
  } finally {
    await handle.close()
  }
}

/** Gives a flushed file its name in a folder of the store; durable when it resolves. */
export const moveInto = async (file: string, target: string): Promise<void> => {
  const folder = dirname(target)
  if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined) await syncDirectory(dirname(folder))
  await rename(file, target)
  await syncDirectory(folder)
}

/** Reading of contents that are a file each; `pathOf` answers undefined for what is no reference. */
export const fileStreams = (pathOf: (ref: string) => string | undefined): Omit<BlobStreams, 'receive'> => ({
  open: (ref, part) =>
    guarded(async () => {
      const path = pathOf(ref)
      const handle = path === undefined ? undefined : await orMissing(open(path, 'r'))
      if (handle === undefined) return undefined
      const { size } = await handle.stat()
      const options = part === undefined ? {} : { start: part.first, end: part.last }
      return { bytes: size, content: createReadStream('', { fd: handle, autoClose: true, ...options }) }
    }),
  size: (ref) =>
    guarded(async () => {
      const path = pathOf(ref)
      return path === undefined ? undefined : (await orMissing(stat(path)))?.size
    }),
  copyTo: async (ref, file) => {
    const path = pathOf(ref)
    if (path === undefined || (await orMissing(stat(path))) === undefined) return false
    // Shares the blocks until one of the two is changed, where the file system can.
    await copyFile(path, file, fsConstants.COPYFILE_EXCL | fsConstants.COPYFILE_FICLONE)
    return true
  },
})

/** Names in a directory whose files were not written for so long. */
export const idleFiles = async (directory: string, forMs: number): Promise<readonly string[]> => {
  const now = systemClock.now()
  const idle: string[] = []
  for (const name of await readdir(directory)) {
    // Another process may rename or remove it at this moment.
    const found = await orMissing(stat(join(directory, name)))
    if (found !== undefined && now - found.mtimeMs >= forMs) idle.push(name)
  }
  return idle
}
