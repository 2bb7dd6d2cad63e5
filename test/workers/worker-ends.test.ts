import { expect, test } from 'vitest'
import { z } from 'zod'
import { operation } from '../../src/commands/operation.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { Unavailable } from '../../src/lib/errors.ts'
import { readOutput } from '../../src/projections/operations/read-output.ts'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'
import type { EventLog } from '../../src/stores/event-log.ts'
import type { WorkContext } from '../../src/workers/work.ts'
import { context, freezableClock, openEngine, work } from './engine.ts'

const any = z.any()
/** Ends with the signal, never before. */
const forever = ({ signal }: WorkContext): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))

test('a worker that was frozen past its lease records nothing and goes on under a new name', async () => {
  const frozen = freezableClock()
  let runs = 0
  const { promise: mayEnd, resolve: letEnd } = Promise.withResolvers<void>()
  let firstSignal: AbortSignal | undefined
  const counted = work(
    'counted',
    async (_input, { signal, output, attempt }) => {
      const run = ++runs
      if (run === 1) {
        firstSignal = signal
        await mayEnd
        await output('from the dead\n')
      }
      return { run, attempt }
    },
    { input: any },
  )
  const engine = await openEngine({ works: [counted], isStarted: false })
  const runtime = engine.newRuntime({ clock: frozen, leaseMs: 200, name: 'frozen' })
  await runtime.start()
  engine.relay.start()
  engine.supervisor.start()
  const id = await engine.request('counted')
  const running = await engine.inState(id, 'running')
  frozen.freeze()
  // While it is frozen nobody lives, so the supervisor loses its attempt.
  await engine.inState(id, 'retrying')
  await engine.newRuntime({ name: 'healthy' }).start()
  await engine.supervisor.sweep()
  const ended = await engine.ended(id)
  expect(ended).toMatchObject({ state: 'succeeded', attempt: 2, result: { run: 2, attempt: 2 } })
  const before = await engine.log.head()
  letEnd()
  frozen.thaw()
  await runtime.stop(10_000)
  expect(firstSignal?.aborted).toBe(true)
  expect(firstSignal?.reason).toMatchObject({ why: 'lease-lost' })
  expect((await engine.events(id)).at(-1)?.type).toBe('OperationSucceeded')
  expect((await readOutput(engine.log, id, { offset: 0, limit: 100 })).size).toBe(0)
  expect(await engine.log.head()).toBe(before)
  expect(ended.worker).toMatch(/^healthy-/)
  expect(running.worker).toMatch(/^frozen-/)
  expect(engine.leases.live(systemClock.monotonic()).map(({ worker }) => worker)).not.toContain(running.worker)
})

test('even without its own watch a late outcome is refused by its attempt number', async () => {
  const engine = await openEngine()
  const id = await engine.request('probe', { failAttempts: 1 })
  await engine.ended(id)
  const late = await engine.executor.execute(operation, { type: 'SucceedAttempt', id, attempt: 1, result: 'late' }, context())
  expect(late.refused).toMatchObject({ reason: 'already-finished' })
})

test('a shutdown hands running work back, and another worker goes on with it', async () => {
  let runs = 0
  const long = work('long', (_input, running) => (++runs === 1 ? forever(running) : Promise.resolve('done')), { input: any })
  const engine = await openEngine({ works: [long], isStarted: false })
  engine.relay.start()
  const leaving = engine.newRuntime({ name: 'leaving' })
  await leaving.start()
  const id = await engine.request('long', {}, { policy: { attempts: 1 } })
  await engine.inState(id, 'running')
  await leaving.stop(200)
  expect(engine.leases.live(systemClock.monotonic())).toEqual([])
  const back = await engine.inState(id, 'retrying')
  expect(back).toMatchObject({ attempt: 1, error: { type: 'worker-stopped' }, waitingFor: { reason: 'worker' } })
  await engine.newRuntime({ name: 'staying' }).start()
  await engine.supervisor.sweep()
  expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', attempt: 2, result: 'done' })
})

test('a claim that was on its way at a shutdown is handed back with what runs', async () => {
  const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
  let claims = 0
  const slow: EventLog = {
    ...log,
    append: async (stream, expected, events) => {
      const appended = await log.append(stream, expected, events)
      if (events.some(({ type }) => type === 'OperationStarted') && ++claims === 2) await answered
      return appended
    },
  }
  const begun: string[] = []
  const long = work(
    'long',
    (_input, running) => {
      begun.push(running.operationId)
      running.signal.addEventListener('abort', () => answer())
      return forever(running)
    },
    { input: any },
  )
  const engine = await openEngine({ log: slow, works: [long], isStarted: false })
  engine.relay.start()
  const runtime = engine.newRuntime()
  await runtime.start()
  const first = await engine.request('long')
  await engine.inState(first, 'running')
  const late = await engine.request('long')
  await engine.inState(late, 'running')
  await runtime.stop(2_000)
  expect(begun).toEqual([first])
  for (const id of [first, late])
    expect(await engine.inState(id, 'retrying')).toMatchObject({ attempt: 1, error: { type: 'worker-stopped' } })
  await engine.close()
  await log.close()
})

test('a shutdown lets quick work finish and takes nothing new', async () => {
  const { promise: mayEnd, resolve: letEnd } = Promise.withResolvers<void>()
  const quick = work('quick', async () => mayEnd.then(() => 'done'), { input: any })
  const engine = await openEngine({ works: [quick], isStarted: false, runtime: { concurrency: 1 } })
  engine.relay.start()
  const runtime = engine.newRuntime()
  await runtime.start()
  const id = await engine.request('quick')
  const waiting = await engine.request('quick')
  await engine.inState(id, 'running')
  const stopped = runtime.stop(10_000)
  letEnd()
  await stopped
  expect(await engine.inState(id, 'succeeded')).toMatchObject({ attempt: 1, result: 'done' })
  expect(engine.queries.byId(waiting)).toMatchObject({ state: 'pending', attempt: 0 })
})

test('work that must not be repeated fails when a shutdown interrupts it', async () => {
  const once = work('once', (_input, running) => forever(running), {
    input: any,
    policy: { attempts: 3, timeoutMs: 60_000, backoff: { initialMs: 0, factor: 1, maxMs: 0 }, whenLost: 'fail' },
  })
  const engine = await openEngine({ works: [once], isStarted: false })
  engine.relay.start()
  const runtime = engine.newRuntime()
  await runtime.start()
  const id = await engine.request('once')
  await engine.inState(id, 'running')
  await runtime.stop(200)
  expect(await engine.ended(id)).toMatchObject({ state: 'failed', error: { type: 'worker-stopped', retryable: false } })
})

/** A log that records, but whose answers are lost: so many times for every event of the type. */
const losingAnswers = (log: EventLog, type: string, times: number): EventLog => {
  const left = new Map<string, number>()
  return {
    ...log,
    append: async (stream, expected, events) => {
      const appended = await log.append(stream, expected, events)
      const count = left.get(stream) ?? times
      if (!events.some((event) => event.type === type) || count === 0) return appended
      left.set(stream, count - 1)
      throw new Unavailable('the answer was lost')
    },
  }
}

test.each(['OperationStarted', 'OperationSucceeded', 'LaneAcquired'])(
  'answers of the log that are lost again and again double nothing and forget nothing: %s',
  async (type) => {
    const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
    let runs = 0
    const counted = work('counted', async () => ++runs, { input: any })
    const engine = await openEngine({ log: losingAnswers(log, type, 6), works: [counted] })
    const id = await engine.request('counted', {}, { lane: 'l' })
    expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', attempt: 1, result: 1 })
    await engine.until(() => engine.queries.laneHolder('l') === undefined)
    expect((await engine.events(id)).map((event) => event.type)).toEqual([
      'OperationRequested',
      'OperationStarted',
      'OperationSucceeded',
    ])
    expect(runs).toBe(1)
    await engine.close()
    await log.close()
  },
)
