import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { Unavailable } from '../../../../src/lib/errors.ts'
import { sha256 } from '../../../../src/lib/ids.ts'
import { openBlobs } from '../../../../src/stores/embedded/blobs/blobs.ts'
import { blobStreamsContract } from '../../../contracts/blob-streams.ts'
import { temporaryDirectory } from '../../temporary.ts'

blobStreamsContract('blobs in files', () => openBlobs(join(temporaryDirectory(), 'blobs')))

const opened = () => {
  const directory = join(temporaryDirectory(), 'blobs')
  return { directory, blobs: openBlobs(directory) }
}
const fileOf = (directory: string, hash: string): string => join(directory, hash.slice(0, 2), hash)

test.each([0, 1, 70_000, 3_000_000])('%i bytes are put and got again', async (bytes) => {
  const { directory, blobs } = opened()
  const content = randomBytes(bytes)
  expect(await blobs.put(content)).toEqual({ ref: sha256(content), bytes })
  const reopened = openBlobs(directory)
  expect((await reopened.get(sha256(content)))?.equals(content)).toBe(true)
})

test('one content put by many at once, and again later, is one file', async () => {
  const { directory, blobs } = opened()
  const content = randomBytes(100_000)
  const put = await Promise.all(Array.from({ length: 20 }, () => blobs.put(content)))
  await blobs.put(content)
  const [first] = put
  expect(new Set(put.map(({ ref }) => ref)).size).toBe(1)
  expect(readdirSync(join(directory, first?.ref.slice(0, 2) ?? ''))).toEqual([first?.ref])
  expect(readdirSync(join(directory, 'incoming'))).toEqual([])
  expect((await blobs.get(first?.ref ?? ''))?.equals(content)).toBe(true)
})

test('one content received by many at once, and put, is one file', async () => {
  const { directory, blobs } = opened()
  const content = randomBytes(200_000)
  const received = await Promise.all(Array.from({ length: 8 }, () => blobs.receive(Readable.from([content]))))
  expect(new Set(received.map(({ ref }) => ref))).toEqual(new Set([(await blobs.put(content)).ref]))
  expect(readdirSync(join(directory, sha256(content).slice(0, 2)))).toEqual([sha256(content)])
  expect(readdirSync(join(directory, 'incoming'))).toEqual([])
})

test('many contents at once', async () => {
  const { blobs } = opened()
  const contents = Array.from({ length: 60 }, () => randomBytes(2_000))
  const put = await Promise.all(contents.map((content) => blobs.put(content)))
  for (const [index, { ref }] of put.entries()) expect((await blobs.get(ref))?.equals(contents[index] as Buffer)).toBe(true)
})

test('what is not there, and what is no hash, is undefined', async () => {
  const { directory, blobs } = opened()
  writeFileSync(join(directory, 'outside'), 'not a blob')
  for (const hash of [sha256('absent'), '', '../outside', 'outside', sha256('absent').toUpperCase(), `${sha256('absent')}/..`]) {
    expect(await blobs.get(hash)).toBeUndefined()
  }
})

test('damage is noticed, and the next put mends a file of another length', async () => {
  const { directory, blobs } = opened()
  const content = randomBytes(1_000)
  const { ref: hash } = await blobs.put(content)
  writeFileSync(fileOf(directory, hash), randomBytes(1_000))
  await expect(blobs.get(hash)).rejects.toThrow(Unavailable)
  truncateSync(fileOf(directory, hash), 10)
  await blobs.put(content)
  expect((await blobs.get(hash))?.equals(content)).toBe(true)
})

test('what an interrupted process left long ago is cleared away; what another process is writing stays', () => {
  const { directory } = opened()
  const [abandoned, fresh] = [join(directory, 'incoming', 'abandoned'), join(directory, 'incoming', 'fresh')]
  for (const file of [abandoned, fresh]) writeFileSync(file, 'half a blob')
  const twoHoursAgo = Date.now() / 1000 - 7_200
  utimesSync(abandoned, twoHoursAgo, twoHoursAgo)
  openBlobs(directory)
  expect(existsSync(abandoned)).toBe(false)
  expect(existsSync(fresh)).toBe(true)
})

test('a disk that takes nothing is unavailable, and the next put is tried anew', async () => {
  const { directory, blobs } = opened()
  const content = randomBytes(10)
  const shard = join(directory, sha256(content).slice(0, 2))
  writeFileSync(shard, 'in the way')
  await expect(blobs.put(content)).rejects.toThrow(Unavailable)
  rmSync(shard)
  expect((await blobs.put(content)).bytes).toBe(10)
})
