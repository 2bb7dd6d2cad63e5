import { readdirSync, rmSync, statSync } from 'node:fs'
import { open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../../../lib/clock.ts'
import { messageOf, Unavailable } from '../../../lib/errors.ts'
import { newId, sha256 } from '../../../lib/ids.ts'
import type { Blobs } from '../../blobs.ts'
import { makeDirectory } from '../../files/make-directory.ts'
import { fileStreams, guarded, moveInto, orMissing, syncDirectory, writeStream } from './blob-disk.ts'

/**
 * Blobs as files, `<first two characters>/<hash>`; the reference is the hash. A file gets its name only when its content is flushed, so a name never
 * leads to a part. `get` checks the content against its hash; `open` does not. Every failure of the disk is `Unavailable`.
 * Several processes may share one directory. Opening clears what an interrupted process left in `incoming` long ago.
 */
export const openBlobs = (directory: string): Blobs => {
  const incoming = join(directory, 'incoming')
  /** Contents on their way: whoever brings the same at the same time waits for the one write. */
  const writing = new Map<string, Promise<void>>()
  try {
    makeDirectory(incoming)
    removeAbandoned(incoming)
  } catch (error) {
    throw new Unavailable(`the blobs in ${directory} cannot be opened: ${messageOf(error)}`)
  }

  const shardOf = (hash: string): string => join(directory, hash.slice(0, 2))
  const fileOf = (hash: string): string => join(shardOf(hash), hash)
  const streams = fileStreams((ref) => (isHash(ref) ? fileOf(ref) : undefined))

  const write = async (hash: string, content: Uint8Array): Promise<void> => {
    const file = fileOf(hash)
    const shard = shardOf(hash)
    // A file of another length was damaged from outside: it is written anew.
    if ((await streams.size(hash)) !== content.byteLength) {
      const temporary = join(incoming, newId())
      try {
        const handle = await open(temporary, 'wx')
        try {
          await handle.writeFile(content)
          await handle.sync()
        } finally {
          await handle.close()
        }
        return await moveInto(temporary, file)
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => undefined)
        throw error
      }
    }
    // Who wrote it may have died before its name was flushed.
    await syncDirectory(shard)
  }

  return {
    put: async (content) => {
      const hash = sha256(content)
      let written = writing.get(hash)
      if (written === undefined) {
        written = guarded(() => write(hash, content)).finally(() => writing.delete(hash))
        writing.set(hash, written)
      }
      await written
      return { ref: hash, bytes: content.byteLength }
    },
    get: (hash) =>
      guarded(async () => {
        if (!isHash(hash)) return undefined
        const content = await orMissing(readFile(fileOf(hash)))
        if (content !== undefined && sha256(content) !== hash) throw new Unavailable(`the blob ${hash} is damaged`)
        return content
      }),
    receive: async (content) => {
      const temporary = join(incoming, newId())
      const { bytes, sha256: ref } = await writeStream(temporary, content)
      await guarded(async () => {
        if ((await streams.size(ref)) !== bytes) return moveInto(temporary, fileOf(ref))
        await rm(temporary)
        await syncDirectory(shardOf(ref))
      })
      return { ref, bytes, sha256: ref }
    },
    ...streams,
  }
}

/** No write takes this long: who began it is gone. */
const abandonedMs = 3_600_000

const removeAbandoned = (incoming: string): void => {
  const now = systemClock.now()
  for (const name of readdirSync(incoming)) {
    const file = join(incoming, name)
    // Another process may rename or remove it at this moment.
    const written = statSync(file, { throwIfNoEntry: false })?.mtimeMs
    if (written !== undefined && now - written > abandonedMs) rmSync(file, { recursive: true, force: true })
  }
}

/** Everything else must not become part of a path. */
const isHash = (text: string): boolean => /^[0-9a-f]{64}$/.test(text)
