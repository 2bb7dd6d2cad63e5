import { expect, test } from 'vitest'
import { type LimitTerms, limit } from '../../src/commands/limit.ts'
import { context, openEngine } from './engine.ts'

type Engine = Awaited<ReturnType<typeof openEngine>>

const set = (engine: Engine, key: string, terms: Partial<LimitTerms>) =>
  engine.executor.execute(limit, { type: 'SetLimit', key, concurrency: null, rate: null, ...terms }, context())
const remove = (engine: Engine, key: string) => engine.executor.execute(limit, { type: 'RemoveLimit', key }, context())

/** Starts and ends of attempts as the log has them. */
const record = async (engine: Engine) => {
  const found: { readonly at: number; readonly id: string; readonly type: string }[] = []
  for await (const event of engine.log.readAll({ filter: { streamPrefixes: ['operation-'] } }))
    found.push({ at: Date.parse(event.recordedAt), id: event.stream.slice('operation-'.length), type: event.type })
  return found
}
const starts = async (engine: Engine) => (await record(engine)).filter(({ type }) => type === 'OperationStarted')
const ending = ['OperationSucceeded', 'OperationFailed', 'OperationCancelled', 'OperationTimedOut', 'OperationAttemptFailed']

/** The most that ran at a moment. */
const mostAtATime = async (engine: Engine): Promise<number> => {
  const running = new Set<string>()
  let most = 0
  for (const { id, type } of await record(engine)) {
    if (type === 'OperationStarted') running.add(id)
    if (ending.includes(type)) running.delete(id)
    most = Math.max(most, running.size)
  }
  return most
}

test('no more run at a time than a limit says, and all of them run', async () => {
  const engine = await openEngine()
  await set(engine, 'k', { concurrency: 2 })
  const ids = await Promise.all(Array.from({ length: 12 }, () => engine.request('probe', { sleepMs: 15 }, { limits: ['k'] })))
  for (const id of ids) expect((await engine.ended(id)).state).toBe('succeeded')
  expect(await mostAtATime(engine)).toBe(2)
  expect(engine.queries.limits.admitted('k') + engine.queries.limits.running('k')).toBe(0)
})

test('a rate is kept over any window of the record', async () => {
  const engine = await openEngine()
  await set(engine, 'k', { rate: { count: 3, perMs: 300 } })
  const ids = await Promise.all(Array.from({ length: 10 }, () => engine.request('probe', {}, { limits: ['k'] })))
  for (const id of ids) await engine.ended(id)
  const times = (await starts(engine)).map(({ at }) => at)
  expect(times).toHaveLength(10)
  for (let n = 3; n < times.length; n++) expect((times[n] ?? 0) - (times[n - 3] ?? 0)).toBeGreaterThanOrEqual(300)
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
  expect((await starts(engine)).map(({ id }) => ids.indexOf(id))).toEqual([1, 3, 0, 2])
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
  expect(await mostAtATime(engine)).toBe(1)
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
