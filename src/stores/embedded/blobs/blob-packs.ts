import * as fs from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { LRUCache } from 'lru-cache'
import { Unavailable } from '../../../lib/errors.ts'
import { newId, sha256 } from '../../../lib/ids.ts'
import type { Blobs } from '../../blobs.ts'
import { guarded, orMissing, syncDirectory } from './blob-disk.ts'
import { openBlobs } from './blobs.ts'

/** A larger blob is a file of its own. */
const largestPacked = 16 * 1024
/** A pack that has grown to this is full. */
const fullPack = 256 * 1024 * 1024
const nameDigits = 16
/** Contents that are recognised when they come again: the error page of a site and the like. */
const mostRecent = 1_000

const [open, read, write, flush, close] = [
  promisify(fs.open),
  promisify(fs.read),
  promisify(fs.write),
  promisify(fs.fdatasync),
  promisify(fs.close),
]

/** A file that this process alone appends to. */
interface Pack {
  readonly name: string
  readonly file: number
  bytes: number
}
interface Waiting {
  readonly content: Uint8Array
  resolve(place: Place): void
  reject(error: unknown): void
}
interface Place {
  readonly pack: string
  readonly offset: number
  readonly bytes: number
}

/**
 * Blobs of which small ones stand one behind the other in files that only grow, `packs/<name>`, and large ones in files of their own.
 * All small ones that wait at a moment are written and flushed together. A reference to one is hash and place, so there is
 * no index, and what was recorded stays readable. Each process appends to packs of its own: several may share the directory.
 */
export const openPackedBlobs = (directory: string): Blobs => {
  const files = openBlobs(directory)
  const packs = join(directory, 'packs')
  const recent = new LRUCache<string, Promise<string>>({ max: mostRecent })
  let pack: Pack | undefined
  let waiting: Waiting[] = []
  let isBusy = false

  const newPack = async (): Promise<Pack> => {
    if ((await mkdir(packs, { recursive: true })) !== undefined) await syncDirectory(directory)
    const name = sha256(newId()).slice(0, nameDigits)
    const file = await open(join(packs, name), 'wx')
    await syncDirectory(packs)
    return { name, file, bytes: 0 }
  }

  const leavePack = async (): Promise<void> => {
    const left = pack
    pack = undefined
    if (left !== undefined) await close(left.file).catch(() => undefined)
  }

  const append = async (content: Buffer): Promise<Omit<Place, 'bytes'>> => {
    if (pack !== undefined && pack.bytes >= fullPack) await leavePack()
    pack ??= await newPack()
    const { name, file, bytes: offset } = pack
    for (let written = 0; written < content.length; )
      written += (await write(file, content, written, content.length - written, offset + written)).bytesWritten
    await flush(file)
    pack.bytes += content.length
    return { pack: name, offset }
  }

  /** Group commit: blobs that arrive while one group is being flushed form the next group. */
  const appendAll = async (): Promise<void> => {
    while (waiting.length > 0) {
      const group = waiting
      waiting = []
      try {
        const { pack, offset } = await guarded(() => append(Buffer.concat(group.map(({ content }) => content))))
        let at = offset
        for (const { content, resolve } of group) {
          resolve({ pack, offset: at, bytes: content.byteLength })
          at += content.byteLength
        }
      } catch (error) {
        // Nobody knows what the pack holds now: the next group begins another one.
        await leavePack()
        for (const { reject } of group) reject(error)
      }
    }
    isBusy = false
  }

  const place = (content: Uint8Array): Promise<Place> =>
    new Promise((resolve, reject) => {
      waiting.push({ content, resolve, reject })
      if (isBusy) return
      isBusy = true
      // What else comes in this turn goes along.
      setImmediate(() => void appendAll())
    })

  const contentOf = async (ref: PackRef): Promise<Buffer | undefined> => {
    const file = await orMissing(open(join(packs, ref.pack), 'r'))
    if (file === undefined) return undefined
    try {
      const content = Buffer.allocUnsafe(ref.bytes)
      let got = 0
      for (let more = 1; more > 0 && got < ref.bytes; got += more)
        more = (await read(file, content, got, ref.bytes - got, ref.offset + got)).bytesRead
      if (got < ref.bytes || sha256(content) !== ref.hash) throw new Unavailable(`the blob ${ref.hash} is damaged`)
      return content
    } finally {
      await close(file)
    }
  }

  const get: Blobs['get'] = (ref) => {
    const packed = parsed(ref)
    return packed === undefined ? files.get(ref) : guarded(() => contentOf(packed))
  }

  return {
    put: async (content) => {
      if (content.byteLength > largestPacked) return files.put(content)
      const hash = sha256(content)
      let ref = recent.get(hash)
      if (ref === undefined) {
        ref = place(content).then((at) => refOf(hash, at))
        recent.set(hash, ref)
        ref.catch(() => recent.delete(hash))
      }
      return { ref: await ref, bytes: content.byteLength }
    },
    get,
    receive: files.receive,
    open: async (ref, part) => {
      if (parsed(ref) === undefined) return files.open(ref, part)
      const content = await get(ref)
      const wanted = part === undefined ? content : content?.subarray(part.first, part.last + 1)
      return content && { bytes: content.length, content: Readable.from([wanted], { objectMode: false }) }
    },
    size: async (ref) => parsed(ref)?.bytes ?? files.size(ref),
    copyTo: async (ref, file) => {
      if (parsed(ref) === undefined) return files.copyTo(ref, file)
      const content = await get(ref)
      if (content === undefined) return false
      await writeFile(file, content, { flag: 'wx', mode: 0o600 })
      return true
    },
  }
}

interface PackRef extends Place {
  readonly hash: string
}

const refOf = (hash: string, { pack, offset, bytes }: Place): string => `${hash}.${pack}.${offset}.${bytes}`

/** Undefined if the text is not a reference into a pack. Nothing else may become part of a path. */
const parsed = (ref: string): PackRef | undefined => {
  const [, hash, pack, offset, bytes] = /^([0-9a-f]{64})\.([0-9a-f]{16})\.(\d{1,15})\.(\d{1,5})$/.exec(ref) ?? []
  return hash === undefined || pack === undefined ? undefined : { hash, pack, offset: Number(offset), bytes: Number(bytes) }
}
