import { expect, test } from 'vitest'
import { z } from 'zod'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'
import { createClockSteps } from '../../src/workers/engine/clock-steps.ts'
import { WorkFailed } from '../../src/workers/work.ts'
import { openEngine, settableClock, work } from './engine.ts'

const hourMs = 3_600_000
const withinMs = 60_000
const backoff = (ms: number) => ({ initialMs: ms, factor: 1, maxMs: ms })

/** Work that ends when the test says so. */
const held = (policy: { timeoutMs: number }) => {
  const { promise: begun, resolve: begins } = Promise.withResolvers<void>()
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const kind = work(
    'held',
    async () => {
      begins()
      await released
      return 'done'
    },
    { input: z.unknown(), policy: { attempts: 1, backoff: backoff(0), whenLost: 'fail', ...policy } },
  )
  return { kind, begun, release }
}

/** Work that fails until it is tried for the `times`-th time. */
const failing = (times: number, pauseMs: number) =>
  work(
    'failing',
    async (_, { attempt }) => {
      if (attempt < times) throw new WorkFailed('not-yet', 'not yet', { retryable: true })
      return attempt
    },
    { input: z.unknown(), policy: { attempts: times, timeoutMs: withinMs, backoff: backoff(pauseMs), whenLost: 'retry' } },
  )

test.each([hourMs, -hourMs])(
  'a clock that is set by %d ms costs a healthy worker neither its lease nor its attempt',
  async (byMs) => {
    const clock = settableClock()
    const { kind, begun, release } = held({ timeoutMs: 20 * 60_000 })
    const engine = await openEngine({ clock, works: [kind], runtime: { leaseMs: 900 } })
    const id = await engine.request('held')
    await begun
    const leased = () => engine.leases.live(clock.monotonic()).map(({ worker, until }) => ({ worker, until }))
    const [before] = leased()
    clock.set(byMs)
    await expect.poll(() => leased()[0]?.until, { timeout: withinMs }).toBeGreaterThan((before?.until ?? 0) + 900)
    await engine.supervisor.sweep()
    expect(leased()[0]?.worker).toBe(before?.worker)
    release()
    expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', attempt: 1 })
  },
  withinMs,
)

test(
  'a clock that is set back stretches no time limit',
  async () => {
    const clock = settableClock()
    const { kind, begun, release } = held({ timeoutMs: 700 })
    const engine = await openEngine({ clock, works: [kind], runtime: { abandonMs: 50 } })
    const id = await engine.request('held')
    await begun
    clock.set(-hourMs)
    expect(await engine.ended(id)).toMatchObject({ state: 'timed-out', attempt: 1 })
    release()
  },
  withinMs,
)

test(
  'a clock that is set back stretches no pause before another attempt',
  async () => {
    const clock = settableClock()
    const engine = await openEngine({ clock, works: [failing(3, 400)] })
    const ids = await Promise.all([engine.request('failing'), engine.request('failing', {}, { lane: 'one' })])
    for (const id of ids) await engine.inState(id, 'retrying')
    clock.set(-hourMs)
    for (const id of ids) expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', attempt: 3 })
  },
  withinMs,
)

test(
  'pauses before and after several steps keep their length',
  async () => {
    const clock = settableClock()
    const engine = await openEngine({ clock, works: [failing(2, 500)] })
    const first = await engine.request('failing')
    await engine.inState(first, 'retrying')
    clock.set(-hourMs)
    const second = await engine.request('failing')
    await engine.inState(second, 'retrying')
    clock.set(-hourMs)
    const third = await engine.request('failing')
    await engine.inState(third, 'retrying')
    clock.set(hourMs / 2)
    for (const id of [first, second, third]) expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', attempt: 2 })
  },
  withinMs,
)

test(
  'a pause that began before a restart and a step back is no longer than it was meant',
  async () => {
    const clock = settableClock()
    const log = await openEmbeddedLog({ path: ':memory:', clock })
    const before = await openEngine({ clock, log, works: [failing(2, 500)] })
    const id = await before.request('failing')
    await before.inState(id, 'retrying')
    await before.close()
    clock.set(-hourMs)
    const after = await openEngine({ clock, log, works: [failing(2, 500)] })
    expect(await after.ended(id)).toMatchObject({ state: 'succeeded', attempt: 2 })
    await after.close()
    await log.close()
  },
  withinMs,
)

test('what is asked to run later runs by the wall clock, set or not', async () => {
  const clock = settableClock()
  const engine = await openEngine({ clock })
  const id = await engine.request('probe', { echo: 1 }, { runAt: new Date(clock.now() + hourMs).toISOString() })
  await engine.inState(id, 'pending')
  clock.set(-hourMs)
  await engine.supervisor.sweep()
  expect(engine.queries.byId(id)).toMatchObject({ state: 'pending', waitingFor: { reason: 'time' } })
  clock.set(2 * hourMs)
  await engine.supervisor.sweep()
  expect(await engine.ended(id)).toMatchObject({ state: 'succeeded' })
})

test('steps add up, and small ones are none', () => {
  const clock = settableClock()
  const steps = createClockSteps(clock)
  clock.set(-50)
  steps.look('1')
  expect(steps.setBack()).toEqual([])
  clock.set(-950)
  steps.look('2')
  clock.set(-1000)
  steps.look('3')
  const rounded = () => steps.setBack().map(({ ms, upTo }) => [Math.round(ms / 100) * 100, upTo])
  expect(rounded()).toEqual([
    [1000, '3'],
    [2000, '2'],
  ])
  clock.set(1500)
  steps.look('4')
  expect(rounded()).toEqual([[500, '2']])
  expect(Math.round(steps.setForwardSince(clock.now() - 10_000) / 100) * 100).toBe(1500)
  expect(steps.setForwardSince(clock.now() + 1)).toBe(0)
})
