import { readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { blob } from '../../../src/commands/blob.ts'
import { createExecutor } from '../../../src/commands/execute.ts'
import { blobIdOf } from '../../../src/events/blob.ts'
import { systemClock as clock } from '../../../src/lib/clock.ts'
import { openUploads } from '../../../src/stores/embedded/blobs/uploads.ts'
import { createUploadSettler } from '../../../src/workers/blobs/settle-uploads.ts'
import { openLog, silent } from '../../projections/harness.ts'
import { temporaryDirectory } from '../../stores/temporary.ts'
import { context } from '../engine.ts'

/** What a crash leaves: a part, a file without a record, a recorded file in doubt, the file of a deleted blob. */
const afterCrash = async () => {
  const directory = join(temporaryDirectory(), 'uploads')
  const uploads = openUploads(directory)
  const executor = createExecutor({ log: await openLog(), clock })
  const store = async (content: string, isRecorded: boolean) => {
    const { ref, sha256, bytes: size } = await uploads.receive(Readable.from([Buffer.from(content)]))
    const id = blobIdOf(sha256)
    if (isRecorded) await executor.execute(blob, { type: 'StoreBlob', id, size, contentType: 'text/plain', file: ref }, context())
    return { id, ref }
  }
  const recorded = await store('recorded', true)
  const unrecorded = await store('not recorded', false)
  const deleted = await store('deleted', true)
  await executor.execute(blob, { type: 'DeleteBlob', id: deleted.id }, context())
  const settled = await store('settled', true)
  await uploads.settle(settled.ref, 'kept')
  writeFileSync(join(directory, 'incoming', 'part'), 'half a body')
  const age = (seconds: number): void => {
    const at = Date.now() / 1000 - seconds
    for (const folder of ['incoming', 'doubt'])
      for (const name of readdirSync(join(directory, folder))) utimesSync(join(directory, folder, name), at, at)
  }
  const sizes = () => Promise.all([recorded, unrecorded, deleted, settled].map(({ ref }) => uploads.size(ref)))
  const settler = (isAlone: boolean) => {
    const made = createUploadSettler({ uploads, executor, bodyIdleMs: 30_000, isAlone, clock, logger: silent })
    onTestFinished(made.stop)
    return made
  }
  return { directory, uploads, age, sizes, settler }
}

test('a process that is alone settles everything at its start', async () => {
  const { directory, uploads, sizes, settler } = await afterCrash()
  await settler(true).start()
  expect(await sizes()).toEqual([8, undefined, undefined, 7])
  expect(await uploads.inDoubt(0)).toEqual([])
  expect(readdirSync(join(directory, 'incoming'))).toEqual([])
})

test('among others only what is old was left by a crash', async () => {
  const { directory, uploads, age, sizes, settler } = await afterCrash()
  await settler(false).start()
  expect(await sizes()).toEqual([8, 12, 7, 7])
  expect(await uploads.inDoubt(0)).toHaveLength(3)
  age(3_600)
  await settler(false).start()
  expect(await sizes()).toEqual([8, undefined, undefined, 7])
  expect(await uploads.inDoubt(0)).toEqual([])
  expect(readdirSync(join(directory, 'incoming'))).toEqual([])
})
