import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createRetry } from '../../../src/commands/retry.ts'
import type { SubmitRequest } from '../../../src/commands/submit.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import type { JsonValue } from '../../../src/lib/json.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import { type TargetContext, type TargetsOptions, type Work, WorkFailed } from '../../../src/workers/work.ts'
import { context, type EngineOptions, openEngine, work } from '../engine.ts'

const Input = z.object({ hosts: z.array(z.string()).optional() })
type Run = (name: string, context: TargetContext) => Promise<unknown>

/** A kind whose work goes over targets and does nothing else. */
const fan = (run: Run, options: TargetsOptions = {}, more: Partial<Work> = {}): Work =>
  work('fan', (_input, context) => context.targets(options, run) as unknown as Promise<JsonValue>, {
    input: Input,
    targets: { from: '/hosts' },
    ...more,
  } as never) as Work

/** An engine with that kind, and its operations over some hosts. */
const open = async (
  run: Run,
  options: TargetsOptions = {},
  { more, ...engineOptions }: EngineOptions & { more?: Partial<Work> } = {},
) => {
  const engine = await openEngine({ works: [fan(run, options, more)], ...engineOptions })
  const retry = createRetry({ ...engine, submit: engine.submit })
  return {
    ...engine,
    over: (hosts: readonly string[], request: Partial<SubmitRequest> = {}) => engine.request('fan', { hosts }, request),
    retryFailed: (id: string) => retry(id, context(), { targets: 'failed' }),
    /** What happened to targets, such as `started a`. */
    told: async (id: string) =>
      (await engine.events(id))
        .filter(({ type }) => type.startsWith('OperationTarget'))
        .map(({ type, data }) => `${type.slice('OperationTarget'.length).toLowerCase()} ${data.target}`),
    states: (id: string) => engine.queries.targets(id, { limit: 1000 })?.items.map(({ name, state }) => `${name} ${state}`),
  }
}

/** Ends with the signal, never before. */
const forever = ({ signal }: TargetContext): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
const failing =
  (...names: readonly string[]): Run =>
  async (name) => {
    if (names.includes(name)) throw new WorkFailed('broken', `${name} is broken`, { retryable: true, details: { name } })
    return `${name} done`
  }
const unnamed: Partial<Work> = { targets: undefined as never }
const once = { policy: { attempts: 1 } }

/** The machine's clock, but sleeps of a minute end when the test says so. */
const handClock = () => {
  const sleeping: (() => void)[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  let ask = { promise, resolve }
  return {
    ...systemClock,
    sleep: (ms: number, signal?: AbortSignal): Promise<void> => {
      if (ms < 50_000) return systemClock.sleep(ms, signal)
      return new Promise((resolve, reject) => {
        sleeping.push(resolve)
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
        ask.resolve()
      })
    },
    /** Resolves when somebody sleeps. */
    asked: () => ask.promise,
    /** Lets the sleep be; the next one is another. */
    forget: () => {
      ask = Promise.withResolvers<void>()
      sleeping.length = 0
    },
    /** Ends the sleep, and lets time pass for the next one. */
    end: () => {
      ask = Promise.withResolvers<void>()
      sleeping.shift()?.()
    },
  }
}

test('targets run one after the other, each start and end an event', async () => {
  const engine = await open(failing())
  const id = await engine.over(['a', 'b'])
  expect(await engine.ended(id)).toMatchObject({
    state: 'succeeded',
    result: { succeeded: 2 },
    targets: { total: 2, waiting: 0, running: 0, succeeded: 2, failed: 0, skipped: 0 },
  })
  expect(await engine.told(id)).toEqual(['started a', 'succeeded a', 'started b', 'succeeded b'])
  const [first] = engine.queries.targets(id, { limit: 1 })?.items ?? []
  expect(first).toMatchObject({ name: 'a', state: 'succeeded', error: null, result: 'a done' })
})

test('the next attempt takes those that have not succeeded', async () => {
  let isBroken = true
  const engine = await open(async (name, context) => {
    if (name === 'b' && isBroken) {
      isBroken = false
      return failing('b')(name, context)
    }
    return name
  })
  const id = await engine.over(['a', 'b', 'c'])
  expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', attempt: 2, result: { succeeded: 3 } })
  expect(await engine.told(id)).toEqual([
    ...['started a', 'succeeded a', 'started b', 'failed b', 'started c', 'succeeded c'],
    ...['started b', 'succeeded b'],
  ])
  const failed = (await engine.events(id)).find(({ type }) => type === 'OperationAttemptFailed')
  expect(failed?.data.error).toEqual({
    type: 'targets-failed',
    message: '1 of 3 targets failed',
    retryable: true,
    details: { failed: 1, skipped: 0 },
  })
})

test('after maxFailures no other starts, and the rest are skipped', async () => {
  const engine = await open(failing('a', 'c'), { maxFailures: 2 })
  const id = await engine.over(['a', 'b', 'c', 'd', 'e'], once)
  expect(await engine.ended(id)).toMatchObject({
    state: 'failed',
    error: { type: 'targets-failed', details: { failed: 2, skipped: 2 } },
    targets: { total: 5, waiting: 0, running: 0, succeeded: 1, failed: 2, skipped: 2 },
  })
  expect(engine.states(id)).toEqual(['a failed', 'b succeeded', 'c failed', 'd skipped', 'e skipped'])
  const named = (state: 'skipped' | 'failed' | 'waiting') =>
    engine.queries.targets(id, { limit: 10, state: [state] })?.items.map(({ name }) => name)
  expect([named('skipped'), named('failed'), named('waiting')]).toEqual([['d', 'e'], ['a', 'c'], []])
  expect(engine.queries.targets(id, { limit: 1, after: [0] })).toMatchObject({ items: [{ name: 'b' }], next: [1] })
})

test('several run at a time, never more than asked for', async () => {
  let running = 0
  let most = 0
  const full = Promise.withResolvers<void>()
  const engine = await open(
    async () => {
      running++
      most = Math.max(most, running)
      if (running === 3) full.resolve()
      await full.promise
      running--
    },
    { parallel: 3 },
  )
  const id = await engine.over(['a', 'b', 'c', 'd', 'e', 'f', 'g'])
  expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', result: { succeeded: 7 } })
  expect(most).toBe(3)
})

test('a cancel ends those that run as failed, and the others are skipped', async () => {
  const engine = await open((name, context) => (name === 'a' ? Promise.resolve() : forever(context)), { parallel: 2 })
  const id = await engine.over(['a', 'b', 'c', 'd'])
  await engine.until(() => {
    const { running, succeeded } = engine.queries.byId(id)?.targets ?? {}
    return running === 2 && succeeded === 1
  })
  await engine.cancel(id)
  expect(await engine.ended(id)).toMatchObject({
    state: 'cancelled',
    targets: { total: 4, waiting: 0, running: 0, succeeded: 1, failed: 2, skipped: 1 },
  })
  expect(engine.states(id)).toEqual(['a succeeded', 'b failed', 'c failed', 'd skipped'])
  const page = engine.queries.targets(id, { limit: 10, state: ['failed'] })
  expect(page?.items.map(({ error }) => error?.type)).toEqual(['cancelled', 'cancelled'])
})

test('a retry of the failed goes over those that failed or were skipped, again and again', async () => {
  const engine = await open(failing('b'), { maxFailures: 1 })
  const first = await engine.over(['a', 'b', 'c'], once)
  await engine.ended(first)
  let last = first
  for (const states of [
    ['b failed', 'c skipped'],
    ['b failed', 'c skipped'],
  ]) {
    const retried = await engine.retryFailed(last)
    if (retried.refused) throw new Error(JSON.stringify(retried.refused))
    last = retried.operationId
    expect(await engine.ended(last)).toMatchObject({ state: 'failed', retryOf: expect.any(String) })
    expect(engine.states(last)).toEqual(states)
  }
})

test('there is nothing to retry where no target failed', async () => {
  const engine = await open(failing())
  const id = await engine.request('probe', { failAttempts: 9 }, once)
  await engine.ended(id)
  expect(await engine.retryFailed(id)).toEqual({ refused: { reason: 'no-failed-targets' } })
})

test('the pause begins when a target has ended, stands before the next one alone, and a cancel ends it', async () => {
  const clock = handClock()
  const ran: string[] = []
  const engine = await open(async (name) => void ran.push(name), { pauseMs: 60_000 }, { clock })
  const id = await engine.over(['a', 'b', 'c', 'd'])
  for (const names of [['a'], ['a', 'b']]) {
    await clock.asked()
    expect(ran).toEqual(names)
    clock.end()
  }
  await clock.asked()
  await engine.cancel(id)
  expect(await engine.ended(id)).toMatchObject({ state: 'cancelled', targets: { succeeded: 3, failed: 0, skipped: 1 } })
})

test('what is left of a pause is waited out by the next attempt', async () => {
  const clock = handClock()
  const ran: string[] = []
  const engine = await open(async (name) => void ran.push(name), { pauseMs: 60_000 }, { clock, isStarted: false })
  const id = await engine.over(['a', 'b'])
  engine.relay.start()
  const first = engine.newRuntime()
  await first.start()
  await engine.supervisor.sweep()
  await clock.asked()
  clock.forget()
  await first.stop(40)
  engine.supervisor.start()
  await engine.newRuntime().start()
  await clock.asked()
  expect(ran).toEqual(['a'])
  clock.end()
  expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', attempt: 2 })
  expect(ran).toEqual(['a', 'b'])
})

test('where the target asks for the pause, one that does not ask makes nobody wait', async () => {
  const clock = handClock()
  const ran: string[] = []
  const engine = await open(
    async (name, { pause }) => {
      if (name !== 'unreached') await pause()
      ran.push(name)
    },
    { pauseMs: 60_000, pauses: 'when asked' },
    { clock },
  )
  const id = await engine.over(['a', 'unreached', 'b'])
  await clock.asked()
  expect(ran).toEqual(['a', 'unreached'])
  clock.end()
  expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', result: { succeeded: 3 } })
})

test('names of the work are asked for once, and a later attempt takes them from the log', async () => {
  const parts = Array.from({ length: 3 }, (_, n) => String(n).repeat(100_000))
  let asked = 0
  let tries = 0
  const names = () => (asked++ === 0 ? parts : ['other'])
  const run: Run = async (name) => {
    if (name === parts[1] && tries++ === 0) throw new Error('not yet')
  }
  const engine = await open(run, { names }, { more: unnamed })
  const id = await engine.request('fan')
  expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', attempt: 2, targets: { total: 3, succeeded: 3 } })
  expect(asked).toBe(1)
  const listed = (await engine.events(id)).filter(({ type }) => type === 'OperationTargetsListed')
  expect(listed.map(({ data }) => [data.from, data.more])).toEqual([
    [0, true],
    [2, false],
  ])
})

test('names that are given twice fail the operation', async () => {
  const engine = await open(failing(), { names: ['a', 'a'] }, { more: unnamed })
  expect(await engine.ended(await engine.request('fan'))).toMatchObject({ attempt: 1, error: { type: 'invalid-targets' } })
})

test('a request without targets in the input of such a kind is refused', async () => {
  const engine = await open(failing())
  for (const hosts of [undefined, [], ['a', 'a'], Array.from({ length: 10_001 }, (_, n) => `${n}`)]) {
    const given = { kind: 'fan', input: hosts === undefined ? {} : { hosts } }
    expect(await engine.submit(given, context())).toMatchObject({ refused: { errors: [{ pointer: '/input/hosts' }] } })
  }
})

test('a skipped target is not started, and counts as neither', async () => {
  const engine = await open(failing(), { skips: (name) => name === 'b' })
  const id = await engine.over(['a', 'b', 'c'])
  expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', result: { succeeded: 2 }, targets: { skipped: 1 } })
  expect(await engine.told(id)).not.toContain('started b')
})

test('details and steps of a target that was interrupted stand when it begins again; a failed one begins anew', async () => {
  const seen: JsonValue[] = []
  let offers = 0
  const engine = await open(
    async (name, { details, step, signal }) => {
      const boot = await step('boot', async () => ++offers)
      seen.push([name, details, boot])
      if (seen.length === 1) return forever({ signal } as TargetContext)
      if (seen.length === 2) throw new WorkFailed('broken', 'again', { retryable: true })
      return null
    },
    { details: () => ++offers },
    { isStarted: false },
  )
  const id = await engine.over(['a'])
  engine.relay.start()
  const first = engine.newRuntime()
  await first.start()
  await engine.supervisor.sweep()
  await engine.until(() => engine.queries.byId(id)?.targets?.running === 1 && seen.length === 1)
  await first.stop(40)
  await engine.newRuntime().start()
  engine.supervisor.start()
  expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', attempt: 3 })
  expect(seen).toEqual([
    ['a', 1, 2],
    ['a', 1, 2],
    ['a', 3, 4],
  ])
})

test('where a later attempt does not repeat failures they count in it', async () => {
  let isFirst = true
  const engine = await open(
    async (name) => {
      if (name === 'a') throw new WorkFailed('broken', 'a is broken', { retryable: true })
      return name
    },
    {
      repeatFailed: false,
      maxFailures: 2,
      skips: (name) => {
        if (name !== 'b' || !isFirst) return false
        isFirst = false
        throw new Error('a bug')
      },
    },
  )
  const id = await engine.over(['a', 'b'], { policy: { attempts: 2 } })
  expect(await engine.ended(id)).toMatchObject({ state: 'failed', attempt: 2, error: { details: { failed: 1, skipped: 0 } } })
  expect(await engine.told(id)).toEqual(['started a', 'failed a', 'started b', 'succeeded b'])
})

test('a result that is too large fails its target alone', async () => {
  const engine = await open(async (name) => (name === 'a' ? 'x'.repeat(300_000) : name))
  const id = await engine.over(['a', 'b'], once)
  await engine.ended(id)
  expect(engine.queries.targets(id, { limit: 2 })?.items).toMatchObject([
    { state: 'failed', error: { type: 'result-unacceptable' } },
    { state: 'succeeded', result: 'b' },
  ])
})

test('a thousand targets at a hundred at a time take few appends', async () => {
  const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
  onTestFinished(() => log.close())
  let appends = 0
  const counting = {
    ...log,
    append: (...given: Parameters<typeof log.append>) => {
      appends++
      return log.append(...given)
    },
  }
  const engine = await open(failing(), { parallel: 100 }, { log: counting })
  const id = await engine.over(Array.from({ length: 1000 }, (_, n) => `host-${n}`))
  expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', result: { succeeded: 1000 } })
  expect(appends).toBeLessThan(60)
})
