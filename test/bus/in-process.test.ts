import { expect, test } from 'vitest'
import { createInProcessBus } from '../../src/bus/in-process.ts'
import type { Job } from '../../src/bus/job-bus.ts'
import { jobBusContract } from '../contracts/job-bus.ts'

jobBusContract('the in-process bus', async () => createInProcessBus())

const job = (operationId: string, priority = 100, kind = 'probe'): Job => ({ operationId, kind, key: operationId, priority })

/** Everything that waits in a bus, in the order in which it is handed over. */
const drained = async (bus: ReturnType<typeof createInProcessBus>, count: number, kinds = ['probe']): Promise<string[]> => {
  const stop = new AbortController()
  const ids: string[] = []
  await bus.consume({ kinds, concurrency: 1, signal: stop.signal }, async ({ operationId }) => {
    if (ids.push(operationId) === count) stop.abort()
  })
  return ids
}

test('the lowest priority comes first, then the earliest, over all kinds', async () => {
  const bus = createInProcessBus()
  await bus.publish([job('late', 200), job('a'), job('b'), job('urgent', 1, 'other'), job('c')])
  expect(await drained(bus, 5, ['probe', 'other'])).toEqual(['urgent', 'a', 'b', 'c', 'late'])
})

test('an operation waits once', async () => {
  const bus = createInProcessBus()
  await bus.publish([job('a'), job('a')])
  await bus.publish([job('a'), job('b')])
  expect(await drained(bus, 2)).toEqual(['a', 'b'])
})

test('past its cap a kind drops doorbells, and no other kind suffers', async () => {
  const bus = createInProcessBus({ cap: 2 })
  await bus.publish([job('a'), job('b'), job('dropped'), job('c', 100, 'other')])
  expect(await drained(bus, 3, ['probe', 'other'])).toEqual(['a', 'b', 'c'])
  await bus.publish([job('dropped')])
  expect(await drained(bus, 1)).toEqual(['dropped'])
})

test('a doorbell rung while its handler works is handed over again', async () => {
  const bus = createInProcessBus()
  const stop = new AbortController()
  let calls = 0
  await bus.publish([job('a')])
  await bus.consume({ kinds: ['probe'], concurrency: 1, signal: stop.signal }, async () => {
    if (++calls === 1) await bus.publish([job('a')])
    else stop.abort()
  })
  expect(calls).toBe(2)
})
