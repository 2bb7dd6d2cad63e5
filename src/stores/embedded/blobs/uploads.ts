import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, Unavailable } from '../../../lib/errors.ts'
import { newId, randomHex } from '../../../lib/ids.ts'
import type { Uploads } from '../../blobs.ts'
import { makeDirectory } from '../../files/make-directory.ts'
import { fileStreams, guarded, idleFiles, moveInto, syncDirectory, writeStream } from './blob-disk.ts'

const ownDigits = 16

/**
 * Uploads as files, `<first two characters>/<hash>.<own>`; the reference is the name. An empty file of that name in `doubt` says that the
 * content may have no record. Several processes may share one directory. Throws `Unavailable` where the directory cannot be used.
 */
export const openUploads = (directory: string): Uploads => {
  const [incoming, doubts] = [join(directory, 'incoming'), join(directory, 'doubt')]
  try {
    for (const folder of [incoming, doubts]) makeDirectory(folder)
  } catch (error) {
    throw new Unavailable(`the uploads in ${directory} cannot be opened: ${messageOf(error)}`)
  }
  const fileOf = (ref: string): string => join(directory, ref.slice(0, 2), ref)

  const doubt = async (ref: string): Promise<void> => {
    await writeFile(join(doubts, ref), '', { mode: 0o600 })
    await syncDirectory(doubts)
  }

  return {
    ...fileStreams((ref) => (isRef(ref) ? fileOf(ref) : undefined)),
    receive: async (content) => {
      const temporary = join(incoming, newId())
      const { bytes, sha256 } = await writeStream(temporary, content)
      const ref = `${sha256}.${randomHex(ownDigits)}`
      try {
        await guarded(async () => {
          await doubt(ref)
          await moveInto(temporary, fileOf(ref))
        })
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => undefined)
        throw error
      }
      return { ref, bytes, sha256 }
    },
    doubt: (ref) => guarded(() => doubt(checked(ref))),
    settle: (ref, verdict) =>
      guarded(async () => {
        if (verdict === 'removed') await rm(fileOf(checked(ref)), { force: true })
        await rm(join(doubts, checked(ref)), { force: true })
      }),
    inDoubt: (forMs) => guarded(async () => (await idleFiles(doubts, forMs)).filter(isRef)),
    clearUnfinished: (idleMs) =>
      guarded(async () => {
        for (const name of await idleFiles(incoming, idleMs)) await rm(join(incoming, name), { force: true })
      }),
  }
}

/** Everything else must not become part of a path. */
const isRef = (text: string): boolean => /^[0-9a-f]{64}\.[0-9a-f]{16}$/.test(text)

const checked = (ref: string): string => {
  if (!isRef(ref)) throw new Error(`${ref} is not a reference of an upload`)
  return ref
}
