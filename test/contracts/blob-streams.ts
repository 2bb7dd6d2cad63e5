import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../../src/lib/ids.ts'
import type { BlobStreams } from '../../src/stores/blobs.ts'
import { temporaryDirectory } from '../stores/temporary.ts'

/** What every store of streamed contents promises. `open` gives an empty one. */
export const blobStreamsContract = (name: string, open: () => BlobStreams): void => {
  describe(`${name} as streams`, () => {
    test.each([0, 1, 70_000, 3_000_000])('%i bytes are received and opened again, whole and in part', async (bytes) => {
      const store = open()
      const content = randomBytes(bytes)
      const received = await store.receive(piecesOf(content))
      expect(received).toEqual({ ref: expect.any(String), bytes, sha256: sha256(content) })
      expect(await store.size(received.ref)).toBe(bytes)
      const opened = await store.open(received.ref)
      expect(opened?.bytes).toBe(bytes)
      expect(opened && (await buffer(opened.content)).equals(content)).toBe(true)
      if (bytes === 0) return
      const part = { first: bytes >> 1, last: bytes - 1 }
      const partial = await store.open(received.ref, part)
      expect(partial?.bytes).toBe(bytes)
      expect(partial && (await buffer(partial.content)).equals(content.subarray(part.first))).toBe(true)
    })

    test('the content stands in a file of the caller, and what is done to that file leaves it alone', async () => {
      const store = open()
      const { ref } = await store.receive(piecesOf(Buffer.from('as it was')))
      const copy = join(temporaryDirectory(), 'copy')
      expect(await store.copyTo(ref, copy)).toBe(true)
      expect(readFileSync(copy, 'utf8')).toBe('as it was')
      await expect(store.copyTo(ref, copy)).rejects.toThrow('EEXIST')
      writeFileSync(copy, 'changed')
      const opened = await store.open(ref)
      expect(opened && (await text(opened.content))).toBe('as it was')
    })

    test('what throws in the middle is thrown on, and leaves nothing', async () => {
      const store = open()
      const content = randomBytes(100_000)
      const cut = async function* () {
        yield content
        throw new TypeError('cut off')
      }
      await expect(store.receive(cut())).rejects.toThrow(TypeError)
      const { ref } = await open().receive(piecesOf(content))
      expect(await store.size(ref)).toBeUndefined()
    })

    test('the same content at the same time is received by each', async () => {
      const store = open()
      const content = randomBytes(300_000)
      const received = await Promise.all([1, 2, 3, 4].map(() => store.receive(piecesOf(content))))
      for (const { ref } of received) {
        const opened = await store.open(ref)
        expect(opened && (await buffer(opened.content)).equals(content)).toBe(true)
      }
    })

    test('an unknown reference is not there', async () => {
      const store = open()
      for (const ref of [sha256('absent'), `${sha256('absent')}.0123456789abcdef`, '', '../outside', 'x'.repeat(5_000)]) {
        expect(await store.open(ref)).toBeUndefined()
        expect(await store.size(ref)).toBeUndefined()
        expect(await store.copyTo(ref, join(temporaryDirectory(), 'copy'))).toBe(false)
      }
    })
  })
}

/** In pieces of uneven length, the last one short. */
async function* piecesOf(content: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += 61_441) yield content.subarray(at, at + 61_441)
}
