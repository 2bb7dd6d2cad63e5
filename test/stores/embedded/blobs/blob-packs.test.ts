import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { Unavailable } from '../../../../src/lib/errors.ts'
import { sha256 } from '../../../../src/lib/ids.ts'
import { openPackedBlobs } from '../../../../src/stores/embedded/blobs/blob-packs.ts'
import { openBlobs } from '../../../../src/stores/embedded/blobs/blobs.ts'
import { blobStreamsContract } from '../../../contracts/blob-streams.ts'
import { temporaryDirectory } from '../../temporary.ts'

blobStreamsContract('blobs in packs', () => openPackedBlobs(join(temporaryDirectory(), 'blobs')))

const opened = () => {
  const directory = join(temporaryDirectory(), 'blobs')
  return { directory, packs: join(directory, 'packs'), blobs: openPackedBlobs(directory) }
}

test.each([0, 1, 16_384, 16_385, 3_000_000])('%i bytes are put and got again, whole and as a stream', async (bytes) => {
  const { directory, blobs } = opened()
  const content = randomBytes(bytes)
  const put = await blobs.put(content)
  expect(put.bytes).toBe(bytes)
  for (const store of [blobs, openPackedBlobs(directory)]) {
    expect((await store.get(put.ref))?.equals(content)).toBe(true)
    expect(await store.size(put.ref)).toBe(bytes)
    const opened = await store.open(put.ref)
    expect(opened?.bytes).toBe(bytes)
    expect(opened && (await buffer(opened.content)).equals(content)).toBe(true)
  }
})

test('a small content in a pack is opened in part, and copied', async () => {
  const { directory, blobs } = opened()
  const { ref } = await blobs.put(Buffer.from('0123456789'))
  const part = await blobs.open(ref, { first: 3, last: 5 })
  expect(part?.bytes).toBe(10)
  expect(part && (await text(part.content))).toBe('345')
  const copy = join(directory, 'copy')
  expect(await blobs.copyTo(ref, copy)).toBe(true)
  expect(readFileSync(copy, 'utf8')).toBe('0123456789')
})

test('many small contents at once are one pack, and each is found in it', async () => {
  const { packs, blobs } = opened()
  const contents = Array.from({ length: 500 }, () => randomBytes(1_000))
  const put = await Promise.all(contents.map((content) => blobs.put(content)))
  for (const [index, { ref }] of put.entries()) expect((await blobs.get(ref))?.equals(contents[index] as Buffer)).toBe(true)
  expect(readdirSync(packs)).toHaveLength(1)
})

test('a small content that comes again is kept once', async () => {
  const { packs, blobs } = opened()
  const content = randomBytes(1_000)
  const put = await Promise.all(Array.from({ length: 20 }, () => blobs.put(content)))
  put.push(await blobs.put(content))
  expect(new Set(put.map(({ ref }) => ref)).size).toBe(1)
  expect(statSync(join(packs, readdirSync(packs)[0] ?? '')).size).toBe(1_000)
})

test('stores that share a directory write packs of their own and read all of them', async () => {
  const { directory, packs, blobs } = opened()
  const other = openPackedBlobs(directory)
  const [one, two] = [randomBytes(100), randomBytes(100)]
  const [first, second] = [await blobs.put(one), await other.put(two)]
  expect(readdirSync(packs)).toHaveLength(2)
  expect((await other.get(first.ref))?.equals(one)).toBe(true)
  expect((await blobs.get(second.ref))?.equals(two)).toBe(true)
})

test('what was kept as a file is found by its hash', async () => {
  const { directory, blobs } = opened()
  const content = randomBytes(1_000)
  const { ref } = await openBlobs(directory).put(content)
  expect(ref).toBe(sha256(content))
  expect((await blobs.get(ref))?.equals(content)).toBe(true)
})

test('what is not there, and what is no reference, is undefined', async () => {
  const { directory, blobs } = opened()
  const { ref } = await blobs.put(randomBytes(10))
  const [hash = '', pack = ''] = ref.split('.')
  writeFileSync(join(directory, 'outside'), 'not a blob')
  for (const other of [`${hash}.${'0'.repeat(16)}.0.10`, `${hash}.../outside.0.10`, `${hash}.${pack}.-1.10`, `${ref}.1`, hash]) {
    expect(await blobs.get(other)).toBeUndefined()
    expect(await blobs.open(other)).toBeUndefined()
  }
})

test('damage is noticed', async () => {
  const { packs, blobs } = opened()
  const { ref } = await blobs.put(randomBytes(1_000))
  const file = join(packs, readdirSync(packs)[0] ?? '')
  writeFileSync(file, randomBytes(1_000))
  await expect(blobs.get(ref)).rejects.toThrow(Unavailable)
  writeFileSync(file, 'cut')
  await expect(blobs.get(ref)).rejects.toThrow(Unavailable)
})

test('a disk that takes nothing is unavailable, and the next put is tried anew', async () => {
  const { packs, blobs } = opened()
  const content = randomBytes(10)
  writeFileSync(packs, 'in the way')
  await expect(blobs.put(content)).rejects.toThrow(Unavailable)
  rmSync(packs)
  expect((await blobs.get((await blobs.put(content)).ref))?.equals(content)).toBe(true)
})
