import { expect, test } from 'vitest'
import { type LimitTerms, limit } from '../../src/commands/limit.ts'
import { operation } from '../../src/commands/operation.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'
import { limitRecord } from '../limit-record.ts'
import { context, openEngine } from './engine.ts'

type Engine = Awaited<ReturnType<typeof openEngine>>

const set = (engine: Engine, key: string, terms: Partial<LimitTerms>) =>
  engine.executor.execute(limit, { type: 'SetLimit', key, concurrency: null, rate: null, ...terms }, context())
const remove = (engine: Engine, key: string) => engine.executor.execute(limit, { type: 'RemoveLimit', key }, context())

const record = async (engine: Engine, key: string) =>
  limitRecord(await Array.fromAsync(engine.log.readAll({ filter: { streamPrefixes: ['operation-'] } })), key)

test('no more run at a time than a limit says, and all of them run', async () => {
  const engine = await openEngine()
  await set(engine, 'k', { concurrency: 2 })
  const ids = await Promise.all(Array.from({ length: 12 }, () => engine.request('probe', { sleepMs: 15 }, { limits: ['k'] })))
  for (const id of ids) expect((await engine.ended(id)).state).toBe('succeeded')
  expect((await record(engine, 'k')).most).toBe(2)
  expect(engine.queries.limits.admitted('k') + engine.queries.limits.running('k')).toBe(0)
})

test('a rate is kept over any window of the record', async () => {
  const engine = await openEngine()
  await set(engine, 'k', { rate: { count: 3, perMs: 300 } })
  const ids = await Promise.all(Array.from({ length: 10 }, () => engine.request('probe', {}, { limits: ['k'] })))
  for (const id of ids) await engine.ended(id)
  const { starts, shortestFor } = await record(engine, 'k')
  expect(starts).toHaveLength(10)
  expect(shortestFor(3)).toBeGreaterThanOrEqual(300)
})

test('the lowest priority goes first, then the earliest request', async () => {
  const engine = await openEngine()
  await set(engine, 'k', { concurrency: 0 })
  const ask = (priority: number) => engine.request('probe', {}, { limits: ['k'], priority })
  const ids = [await ask(100), await ask(50), await ask(100), await ask(50)]
  for (const id of ids)
    expect(await engine.inState(id, 'pending')).toMatchObject({ waitingFor: { reason: 'limit', until: null, operation: null } })
  await set(engine, 'k', { concurrency: 1 })
  for (const id of ids) await engine.ended(id)
  expect((await record(engine, 'k')).order.map((id) => ids.indexOf(id))).toEqual([1, 3, 0, 2])
})

test('one that waits for two limits holds neither', async () => {
  const engine = await openEngine()
  await set(engine, 'a', { concurrency: 1 })
  await set(engine, 'b', { concurrency: 1 })
  const first = await engine.request('probe', { sleepMs: 60_000 }, { limits: ['a'] })
  await engine.inState(first, 'running')
  const both = await engine.request('probe', {}, { limits: ['a', 'b'] })
  const alone = await engine.request('probe', {}, { limits: ['b'] })
  expect((await engine.ended(alone)).state).toBe('succeeded')
  expect(engine.queries.byId(both)).toMatchObject({ state: 'pending', waitingFor: { reason: 'limit' } })
  await engine.cancel(first)
  expect((await engine.ended(both)).state).toBe('succeeded')
})

test('a key without a limit holds nobody, and a removed one lets everybody go', async () => {
  const engine = await openEngine()
  expect((await engine.ended(await engine.request('probe', {}, { limits: ['free'] }))).state).toBe('succeeded')
  await set(engine, 'k', { concurrency: 0 })
  const held = await engine.request('probe', {}, { limits: ['k', 'free'] })
  await engine.inState(held, 'pending')
  await remove(engine, 'k')
  expect((await engine.ended(held)).state).toBe('succeeded')
})

test('what already runs counts for a limit that is set later', async () => {
  const engine = await openEngine()
  const first = await engine.request('probe', { sleepMs: 60_000 }, { limits: ['k'] })
  await engine.inState(first, 'running')
  await set(engine, 'k', { concurrency: 1 })
  const second = await engine.request('probe', {}, { limits: ['k'] })
  expect(await engine.until(() => engine.queries.byId(second))).toMatchObject({ waitingFor: { reason: 'limit' } })
  await engine.cancel(first)
  expect((await engine.ended(second)).state).toBe('succeeded')
})

test('a retrying operation gives its place back while it waits', async () => {
  const engine = await openEngine()
  await set(engine, 'k', { concurrency: 1 })
  const failing = await engine.request('probe', { failAttempts: 1 }, { limits: ['k'] })
  await engine.inState(failing, 'retrying')
  const other = await engine.request('probe', {}, { limits: ['k'] })
  expect((await engine.ended(other)).state).toBe('succeeded')
  expect(await engine.ended(failing)).toMatchObject({ state: 'succeeded', attempt: 2 })
  expect((await record(engine, 'k')).most).toBe(1)
})

test('one in a lane waits for its turn there first, and for its limit then', async () => {
  const engine = await openEngine()
  await set(engine, 'k', { concurrency: 1 })
  const holder = await engine.request('probe', { sleepMs: 60_000 }, { lane: 'l' })
  await engine.inState(holder, 'running')
  const behind = await engine.request('probe', {}, { lane: 'l', limits: ['k'] })
  const last = await engine.request('probe', {}, { lane: 'l' })
  const other = await engine.request('probe', { sleepMs: 60_000 }, { limits: ['k'] })
  await engine.inState(other, 'running')
  expect(await engine.until(() => engine.queries.byId(behind))).toMatchObject({ waitingFor: { reason: 'lane' } })
  await engine.cancel(holder)
  await engine.ended(holder)
  await engine.until(() => engine.queries.laneHolder('l') === undefined)
  expect(engine.queries.byId(behind)).toMatchObject({ waitingFor: { reason: 'limit' } })
  expect(engine.queries.byId(last)).toMatchObject({ waitingFor: { reason: 'lane', operation: behind } })
  await engine.cancel(other)
  expect((await engine.ended(behind)).state).toBe('succeeded')
  expect((await engine.ended(last)).state).toBe('succeeded')
})

/** A worker that has no room, and two operations that were let in and wait for it. */
const admittedBehindBusyWorker = async () => {
  const engine = await openEngine({ runtime: { concurrency: 1 } })
  const busy = await engine.request('probe', { sleepMs: 60_000 })
  await engine.inState(busy, 'running')
  await set(engine, 'k', { concurrency: 2 })
  const ids = [await engine.request('probe', {}, { limits: ['k'] }), await engine.request('probe', {}, { limits: ['k'] })]
  await engine.until(() => engine.queries.limits.admitted('k') === 2)
  return { engine, busy, ids }
}

test('what was let in and has not started goes back behind a limit that became smaller', async () => {
  const { engine, busy, ids } = await admittedBehindBusyWorker()
  await set(engine, 'k', { concurrency: 1 })
  await engine.until(() => engine.queries.limits.admitted('k') === 1)
  const [first = '', second = ''] = ids
  expect(engine.queries.byId(first)).toMatchObject({ waitingFor: { reason: 'start' } })
  expect(engine.queries.byId(second)).toMatchObject({ waitingFor: { reason: 'limit' } })
  await set(engine, 'k', { concurrency: 0 })
  await engine.until(() => engine.queries.limits.admitted('k') === 0)
  await engine.cancel(busy)
  // Its job was on the bus before: the worker takes it up, and does not start it.
  expect((await engine.ended(await engine.request('probe', {}, { priority: 200 }))).state).toBe('succeeded')
  expect((await engine.events(first)).map(({ type }) => type)).toEqual(['OperationRequested', 'OperationHeld'])
  await set(engine, 'k', { concurrency: 1 })
  for (const id of ids) expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', attempt: 1 })
  expect((await record(engine, 'k')).most).toBe(1)
})

test('what was let in and is cancelled gives its place to the next', async () => {
  const { engine, busy, ids } = await admittedBehindBusyWorker()
  const third = await engine.request('probe', {}, { limits: ['k'] })
  await engine.cancel(ids[0] ?? '')
  await engine.until(() => engine.queries.row(third)?.admission != null)
  await engine.cancel(busy)
  expect((await engine.ended(third)).state).toBe('succeeded')
})

test('an admission lets one attempt start, whatever jobs come late', async () => {
  const engine = await openEngine({ isStarted: false })
  const id = await engine.request('probe', {}, { limits: ['k'] })
  const start = (admitted?: { attempt: number; number: number }) =>
    engine.executor.execute(operation, { type: 'StartAttempt', id, worker: 'w', now: systemClock.now(), admitted }, context())
  const held = { refused: { reason: 'not-admitted' } }
  expect(await start()).toMatchObject(held)
  expect(await start({ attempt: 2, number: 5 })).toMatchObject(held)
  await engine.executor.execute(operation, { type: 'HoldAttempt', id, attempt: 1, admission: 5 }, context())
  expect(await start({ attempt: 1, number: 5 })).toMatchObject(held)
  expect((await start({ attempt: 1, number: 6 })).refused).toBeUndefined()
  await engine.executor.execute(operation, { type: 'HandBackAttempt', id, attempt: 1, now: 0 }, context())
  expect(await start({ attempt: 1, number: 6 })).toMatchObject(held)
  expect((await start({ attempt: 2, number: 7 })).refused).toBeUndefined()
})

test('two nodes that both believe they hold the office let no more in than one', async () => {
  const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
  const [one, two] = [await openEngine({ log }), await openEngine({ log })]
  await set(one, 'k', { concurrency: 3 })
  await set(one, 'r', { rate: { count: 20, perMs: 250 } })
  const ask = (engine: Engine, n: number) =>
    engine.request('probe', { sleepMs: n % 7, failAttempts: n % 10 === 0 ? 1 : 0 }, { limits: n % 3 === 0 ? ['r', 'k'] : ['k'] })
  const ids = await Promise.all(Array.from({ length: 120 }, (_, n) => ask(n % 2 === 0 ? one : two, n)))
  for (const id of ids) expect((await two.ended(id)).state).toBe('succeeded')
  expect((await record(one, 'k')).most).toBeLessThanOrEqual(3)
  expect((await record(one, 'r')).shortestFor(20)).toBeGreaterThanOrEqual(250)
  await one.close()
  await two.close()
  await log.close()
})

test('after a restart what was let in starts, and a rate counts what started before', async () => {
  const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
  const before = await openEngine({ log })
  await set(before, 'r', { rate: { count: 2, perMs: 600 } })
  const ids = await Promise.all(Array.from({ length: 5 }, () => before.request('probe', {}, { limits: ['r'] })))
  await before.until(() => before.queries.limits.lastStart('r') === 2)
  await before.close()
  const after = await openEngine({ log })
  for (const id of ids) expect((await after.ended(id)).state).toBe('succeeded')
  expect((await record(after, 'r')).shortestFor(2)).toBeGreaterThanOrEqual(600)
  await after.close()
  await log.close()
})
