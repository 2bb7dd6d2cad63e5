import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { Unavailable } from '../../src/lib/errors.ts'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'
import { origin } from '../../src/stores/event-log.ts'
import { createStorageProbe } from '../../src/stores/storage-probe.ts'
import { temporaryDirectory } from './temporary.ts'

const probed = (log: Parameters<typeof createStorageProbe>[0]['log'], short: string[] = []) =>
  createStorageProbe({ log, clock: systemClock, keepShort: async (stream) => void short.push(stream) })

test('a log that can be probed is probed, once for whoever asks meanwhile', async () => {
  let probes = 0
  const isHealthy = probed({
    append: () => expect.unreachable(),
    probe: async () => {
      probes++
    },
  })
  expect(await Promise.all([isHealthy(), isHealthy()])).toEqual([true, true])
  expect(probes).toBe(1)
  expect(await isHealthy()).toBe(true)
  expect(probes).toBe(2)
})

test('another one is given an event in a hidden stream that is kept short', async () => {
  const streams: string[] = []
  const short: string[] = []
  const append = async (stream: string) => {
    streams.push(stream)
    return { revision: 0, position: '1' }
  }
  const isHealthy = probed({ append }, short)
  expect([await isHealthy(), await isHealthy()]).toEqual([true, true])
  expect(streams).toEqual(['lease-storage-probe', 'lease-storage-probe'])
  expect(short).toEqual(['lease-storage-probe'])
})

test('where nothing can be written it is not healthy', async () => {
  const append = () => Promise.reject(new Unavailable('the disk is full'))
  expect(await probed({ append })()).toBe(false)
  expect(await probed({ append, probe: append })()).toBe(false)
})

test('no answer is no health', async () => {
  const silent = { append: () => new Promise<never>(() => undefined) }
  const clock = { ...systemClock, after: (_: number, run: () => void) => systemClock.after(1, run) }
  expect(await createStorageProbe({ log: silent, clock, keepShort: async () => undefined })()).toBe(false)
})

test('the embedded log is probed, and nothing is left behind', async () => {
  const log = await openEmbeddedLog({ path: join(temporaryDirectory(), 'log.db'), clock: systemClock })
  expect(await probed(log)()).toBe(true)
  expect(await log.head()).toBe(origin)
  await log.close()
  expect(await probed(log)()).toBe(false)
})
