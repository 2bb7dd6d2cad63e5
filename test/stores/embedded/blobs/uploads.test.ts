import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { Unavailable } from '../../../../src/lib/errors.ts'
import { openUploads } from '../../../../src/stores/embedded/blobs/uploads.ts'
import { blobStreamsContract } from '../../../contracts/blob-streams.ts'
import { temporaryDirectory } from '../../temporary.ts'

blobStreamsContract('uploads', () => openUploads(join(temporaryDirectory(), 'uploads')))

const opened = () => {
  const directory = join(temporaryDirectory(), 'uploads')
  return { directory, uploads: openUploads(directory) }
}
const contentOf = (content: string) => Readable.from([Buffer.from(content)])
const hourMs = 3_600_000
const longAgo = Date.now() / 1000 - 7_200

test('each reception is a file of its own: one is removed, the other stays', async () => {
  const { uploads } = opened()
  const [one, two] = [await uploads.receive(contentOf('same')), await uploads.receive(contentOf('same'))]
  expect(one.sha256).toBe(two.sha256)
  expect(one.ref).not.toBe(two.ref)
  await uploads.settle(one.ref, 'removed')
  expect(await uploads.size(one.ref)).toBeUndefined()
  const left = await uploads.open(two.ref)
  expect(left && (await text(left.content))).toBe('same')
})

test('what was received is in doubt until it is settled, and again before it is removed', async () => {
  const { directory, uploads } = opened()
  const { ref } = await uploads.receive(contentOf('content'))
  expect(await openUploads(directory).inDoubt(0)).toEqual([ref])
  expect(await uploads.inDoubt(hourMs)).toEqual([])
  utimesSync(join(directory, 'doubt', ref), longAgo, longAgo)
  expect(await uploads.inDoubt(hourMs)).toEqual([ref])
  await uploads.settle(ref, 'kept')
  await uploads.settle(ref, 'kept')
  expect(await uploads.inDoubt(0)).toEqual([])
  expect(await uploads.size(ref)).toBe(7)
  await uploads.doubt(ref)
  expect(await uploads.inDoubt(0)).toEqual([ref])
  await uploads.settle(ref, 'removed')
  await uploads.settle(ref, 'removed')
  expect(await uploads.inDoubt(0)).toEqual([])
  expect(await uploads.size(ref)).toBeUndefined()
})

test('receptions that got no byte for long are cleared away, others stay', async () => {
  const { directory, uploads } = opened()
  const [abandoned, moving] = [join(directory, 'incoming', 'abandoned'), join(directory, 'incoming', 'moving')]
  for (const file of [abandoned, moving]) writeFileSync(file, 'half')
  utimesSync(abandoned, longAgo, longAgo)
  await uploads.clearUnfinished(hourMs)
  expect(existsSync(abandoned)).toBe(false)
  expect(existsSync(moving)).toBe(true)
})

test('a cut reception leaves no file', async () => {
  const { directory, uploads } = opened()
  const cut = async function* () {
    yield Buffer.from('half')
    throw new Error('cut off')
  }
  await expect(uploads.receive(cut())).rejects.toThrow('cut off')
  expect(readdirSync(directory, { recursive: true }).sort()).toEqual(['doubt', 'incoming'])
})

test('a disk that takes nothing is unavailable', async () => {
  const file = join(temporaryDirectory(), 'file')
  writeFileSync(file, '')
  expect(() => openUploads(join(file, 'uploads'))).toThrow(Unavailable)
})
