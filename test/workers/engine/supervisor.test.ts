import type { Logger } from 'pino'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createInProcessBus } from '../../../src/bus/in-process.ts'
import type { JobBus } from '../../../src/bus/job-bus.ts'
import type { Executor } from '../../../src/commands/execute.ts'
import { lane } from '../../../src/commands/lane.ts'
import { operation } from '../../../src/commands/operation.ts'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { Unavailable } from '../../../src/lib/errors.ts'
import type { Projections } from '../../../src/projections/projection.ts'
import { createLocalLeases } from '../../../src/stores/embedded/leases.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import type { Leases } from '../../../src/stores/leases.ts'
import { createSupervisor } from '../../../src/workers/engine/supervisor.ts'
import { context, openEngine, work } from '../engine.ts'

const start = (engine: Awaited<ReturnType<typeof openEngine>>, id: string, now = systemClock.now()) =>
  engine.executor.execute(operation, { type: 'StartAttempt', id, worker: 'gone', now }, context())
const shownRunning = (engine: Awaited<ReturnType<typeof openEngine>>, id: string) => engine.inState(id, 'running', 'cancelling')

test('after a restart what was running is lost and runs again; what was cancelling is cancelled', async () => {
  const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
  const before = await openEngine({ log, isStarted: false })
  const running = await before.request('probe', { echo: 1 })
  const cancelling = await before.request('probe')
  const pending = await before.request('probe', { echo: 2 })
  for (const id of [running, cancelling]) await start(before, id)
  await before.cancel(cancelling)
  await before.close()

  const after = await openEngine({ log })
  expect(await after.ended(running)).toMatchObject({ state: 'succeeded', attempt: 2 })
  expect(await after.ended(cancelling)).toMatchObject({ state: 'cancelled', attempt: 1 })
  expect(await after.ended(pending)).toMatchObject({ state: 'succeeded', attempt: 1 })
  await after.close()
  await log.close()
})

test('the sweep alone resolves every orphan before anything is started', async () => {
  const engine = await openEngine({ isStarted: false })
  const ids = await Promise.all(Array.from({ length: 30 }, () => engine.request('probe')))
  for (const id of ids) await start(engine, id)
  await Promise.all(ids.map((id) => shownRunning(engine, id)))
  await engine.supervisor.sweep()
  for (const id of ids)
    expect(engine.queries.byId(id)).toMatchObject({ state: 'retrying', attempt: 1, error: { type: 'worker-lost' } })
})

test('a sweep done twice changes nothing', async () => {
  const engine = await openEngine({ isStarted: false })
  const id = await engine.request('probe')
  await start(engine, id)
  await shownRunning(engine, id)
  await engine.supervisor.sweep()
  const head = await engine.log.head()
  await engine.supervisor.sweep()
  expect(await engine.log.head()).toBe(head)
})

test('a worker that is not known yet is asked for before its attempts are lost', async () => {
  const local = createLocalLeases()
  let isHeard = false
  const late: Leases = {
    ...local,
    live: (now) => (isHeard ? local.live(now) : []),
    heard: async () => {
      isHeard = true
    },
  }
  const engine = await openEngine({ isStarted: false, leases: late })
  await local.renew({ worker: 'gone', host: 'h', kinds: ['probe'], until: systemClock.monotonic() + 60_000 })
  const id = await engine.request('probe')
  await start(engine, id)
  await shownRunning(engine, id)
  await engine.supervisor.sweep()
  expect(engine.queries.byId(id)?.state).toBe('running')
  expect(isHeard).toBe(true)
})

test('a sweep that waited for a bus in vain is not paid for with a long pause', async () => {
  const refusedAfterMs = 800
  const calls: number[] = []
  const { promise: again, resolve } = Promise.withResolvers<void>()
  const bus: JobBus = {
    ...createInProcessBus(),
    publish: async () => {
      calls.push(systemClock.now())
      if (calls.length === 2) return resolve()
      await systemClock.sleep(refusedAfterMs)
      throw new Unavailable('the brokers are away')
    },
  }
  const engine = await openEngine({ isStarted: false, bus })
  await engine.request('probe')
  engine.supervisor.start()
  await again
  const [first = 0, second = 0] = calls
  expect(second - first).toBeLessThan(5 * refusedAfterMs)
})

test('attempts with a live lease are left alone', async () => {
  const engine = await openEngine({ isStarted: false })
  await engine.leases.renew({ worker: 'gone', host: 'h', kinds: ['probe'], until: systemClock.monotonic() + 60_000 })
  const id = await engine.request('probe')
  await start(engine, id)
  await shownRunning(engine, id)
  await engine.supervisor.sweep()
  expect(engine.queries.byId(id)?.state).toBe('running')
})

test('an attempt far over its deadline is timed out for its worker', async () => {
  const engine = await openEngine({ isStarted: false })
  await engine.leases.renew({ worker: 'gone', host: 'h', kinds: ['probe'], until: systemClock.monotonic() + 60_000 })
  const id = await engine.request('probe', {}, { policy: { timeoutMs: 1 }, lane: 'l' })
  await engine.executor.execute(lane, { type: 'AcquireLane', lane: 'l', operation: id }, context())
  await start(engine, id, systemClock.now() - 3_600_000)
  await shownRunning(engine, id)
  await engine.supervisor.sweep()
  expect(engine.queries.byId(id)).toMatchObject({ state: 'timed-out', attempt: 1 })
  expect(engine.queries.laneHolder('l')).toBeUndefined()
})

test('a lane that a finished operation still holds is released', async () => {
  const engine = await openEngine()
  const id = await engine.request('probe')
  await engine.ended(id)
  await engine.executor.execute(lane, { type: 'AcquireLane', lane: 'l', operation: id }, context())
  const next = await engine.request('probe', {}, { lane: 'l' })
  expect((await engine.ended(next)).state).toBe('succeeded')
})

test('what nobody heard is rung again', async () => {
  const engine = await openEngine({ isStarted: false })
  const ids = await Promise.all(Array.from({ length: 5 }, () => engine.request('probe')))
  await Promise.all(ids.map((id) => engine.inState(id, 'pending')))
  await engine.newRuntime().start()
  engine.supervisor.start()
  for (const id of ids) expect((await engine.ended(id)).state).toBe('succeeded')
})

test('a lost worker that must not be repeated ends its operation', async () => {
  const once = work('once', async () => null, {
    input: z.any(),
    policy: { attempts: 3, timeoutMs: 60_000, backoff: { initialMs: 0, factor: 1, maxMs: 0 }, whenLost: 'fail' },
  })
  const engine = await openEngine({ works: [once], isStarted: false })
  const id = await engine.request('once')
  await start(engine, id)
  await shownRunning(engine, id)
  await engine.supervisor.sweep()
  expect(engine.queries.byId(id)).toMatchObject({ state: 'failed', error: { type: 'worker-lost', retryable: false } })
})

test('a sweep that fails again and again for one reason is told once', async () => {
  let isAway = true
  const told: unknown[] = []
  let sweep = async (): Promise<void> => undefined
  const clock: Clock = {
    ...systemClock,
    after: (_ms, run) => {
      sweep = run as typeof sweep
      return () => {}
    },
  }
  const due = { state: 'pending', attempt: 0, since: 0, seq: 1, limits: null, admission: null, gate: null } as const
  const waiting = [{ id: 'one', kind: 'probe', lane: null, priority: 0, ...due }]
  const supervisor = createSupervisor({
    bus: {
      publish: async () => {
        if (isAway) throw new Unavailable('no broker answers')
      },
    } as Partial<JobBus> as JobBus,
    projections: { onApplied: () => () => {} } as Partial<Projections> as Projections,
    leases: { live: () => [] } as Partial<Leases> as Leases,
    executor: {} as Executor,
    queries: {
      row: () => undefined,
      allDue: () => [waiting],
      due: () => [],
      nextDueAt: () => undefined,
      orphans: () => [],
      overdue: () => [],
      retriesBetween: () => [],
      nextRetryAfter: () => undefined,
      latestFailure: () => undefined,
      lanesHeldByFinished: () => [],
    },
    clock,
    logger: { error: (...words: unknown[]) => told.push(words) } as unknown as Logger,
  })
  supervisor.start()
  for (let count = 0; count < 3; count++) await sweep()
  expect(told).toHaveLength(1)
  isAway = false
  await sweep()
  isAway = true
  await sweep()
  expect(told).toHaveLength(2)
  await supervisor.stop()
})
