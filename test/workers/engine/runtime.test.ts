import { expect, test } from 'vitest'
import { z } from 'zod'
import { systemClock } from '../../../src/lib/clock.ts'
import { readOutput } from '../../../src/projections/operations/read-output.ts'
import { AttemptAborted } from '../../../src/workers/engine/attempt.ts'
import { probe } from '../../../src/workers/probe.ts'
import { type WorkContext, WorkFailed } from '../../../src/workers/work.ts'
import { context, openEngine, work } from '../engine.ts'

const any = z.any()
const types = (events: readonly { type: string }[]): string[] => events.map(({ type }) => type.replace('Operation', ''))
/** Ends with the signal, never before. */
const forever = ({ signal }: WorkContext): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))

test('a probe is requested, started and succeeds', async () => {
  const engine = await openEngine()
  const id = await engine.request('probe', { echo: { a: [1, 'ü'] }, output: 'hello\n' })
  expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', attempt: 1, result: { echo: { a: [1, 'ü'] }, attempt: 1 } })
  expect(types(await engine.events(id))).toEqual(['Requested', 'Started', 'Succeeded'])
  const { content, size } = await readOutput(engine.log, id, { offset: 0, limit: 100 })
  expect(content.toString()).toBe('hello\n')
  expect(size).toBe(6)
})

test('what an attempt records carries the requester, the correlation and its cause', async () => {
  const engine = await openEngine()
  const asked = context({ traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' })
  await engine.submit({ kind: 'probe', input: {} }, asked)
  await engine.ended(asked.commandId)
  const [requested, started, succeeded] = await engine.events(asked.commandId)
  for (const event of [started, succeeded])
    expect(event?.metadata).toMatchObject({
      correlationId: asked.correlationId,
      actor: asked.actor,
      traceparent: asked.traceparent,
    })
  expect(started?.metadata.causationId).toBe(requested?.id)
  expect(succeeded?.metadata.causationId).toBe(started?.id)
})

test('failed attempts are tried again with growing numbers, then it succeeds', async () => {
  const engine = await openEngine()
  const id = await engine.request('probe', { failAttempts: 2 })
  expect(await engine.ended(id)).toMatchObject({ state: 'succeeded', attempt: 3, result: { attempt: 3 } })
  expect(types(await engine.events(id))).toEqual([
    'Requested',
    'Started',
    'AttemptFailed',
    'Started',
    'AttemptFailed',
    'Started',
    'Succeeded',
  ])
})

test('the last allowed failure ends it with the error of the work', async () => {
  const engine = await openEngine()
  const id = await engine.request('probe', { failAttempts: 100 }, { policy: { attempts: 2 } })
  const ended = await engine.ended(id)
  expect(ended).toMatchObject({ state: 'failed', attempt: 2, error: { type: 'probe-failed', retryable: true } })
})

test('a final error is not tried again; an unforeseen one is', async () => {
  let crashes = 0
  const engine = await openEngine({
    works: [
      work('final', () => Promise.reject(new WorkFailed('no-way', 'never', { retryable: false })), { input: any }),
      work('crash', () => Promise.reject(new TypeError(`bug ${++crashes}`)), { input: any }),
    ],
  })
  expect(await engine.ended(await engine.request('final'))).toMatchObject({ attempt: 1, error: { type: 'no-way' } })
  expect(await engine.ended(await engine.request('crash'))).toMatchObject({
    attempt: 3,
    error: { type: 'work-crashed', message: 'bug 3', retryable: true },
  })
})

test('an input that the kind does not take any longer fails at once', async () => {
  const strict = work('strict', async () => null, { input: z.object({ a: z.number() }) })
  const engine = await openEngine({ works: [strict], isStarted: false })
  const id = await engine.request('strict', { a: 1 })
  Object.assign(strict, { input: z.object({ a: z.string() }) })
  await engine.newRuntime().start()
  await engine.supervisor.sweep()
  expect(await engine.ended(id)).toMatchObject({
    state: 'failed',
    attempt: 1,
    error: { type: 'invalid-input', retryable: false },
  })
})

test('a result that the log cannot take fails the operation', async () => {
  const engine = await openEngine({
    works: [
      work('huge', async () => 'x'.repeat(2_000_000), { input: any }),
      work('big', async () => 1n as never, { input: any }),
    ],
  })
  for (const kind of ['huge', 'big'])
    expect(await engine.ended(await engine.request(kind))).toMatchObject({ attempt: 1, error: { type: 'result-unacceptable' } })
})

test('an error that the log cannot take fails the attempt without its details', async () => {
  const details = 'x'.repeat(2_000_000)
  const fails = work('chatty', () => Promise.reject(new WorkFailed('no-way', details, { retryable: false, details })), {
    input: any,
  })
  const engine = await openEngine({ works: [fails] })
  const { error } = await engine.ended(await engine.request('chatty'))
  expect(error).toEqual({ type: 'no-way', message: 'x'.repeat(10_000), retryable: false })
})

test('a work that answers with nothing succeeded with null', async () => {
  const engine = await openEngine({ works: [work('mute', async () => undefined as never, { input: any })] })
  expect(await engine.ended(await engine.request('mute'))).toMatchObject({ state: 'succeeded', result: null })
})

test('a probe tells its progress in whole milliseconds, whatever its clock counts in', async () => {
  let now = 0.25
  const clock = {
    ...systemClock,
    monotonic: () => now,
    sleep: async (ms: number) => {
      now += ms + 0.4827
    },
  }
  const details: unknown[] = []
  await probe(clock).run({ sleepMs: 3_000 }, {
    attempt: 1,
    signal: new AbortController().signal,
    progress: ({ detail }) => details.push(detail),
  } as Partial<WorkContext> as WorkContext)
  expect(details.length).toBeGreaterThan(1)
  for (const detail of details) expect(detail).toMatch(/^\d+ of 3000 ms$/)
})

test('cancellation ends the sleep of a running probe at once', async () => {
  const engine = await openEngine()
  const id = await engine.request('probe', { sleepMs: 600_000 })
  await engine.inState(id, 'running')
  await engine.cancel(id)
  expect(await engine.ended(id)).toMatchObject({ state: 'cancelled', attempt: 1 })
  expect(types(await engine.events(id))).toEqual(['Requested', 'Started', 'CancelRequested', 'Cancelled'])
})

test('a cancelled one is cancelling until its work has really stopped', async () => {
  const { promise: mayStop, resolve: letStop } = Promise.withResolvers<void>()
  const slow = work(
    'slow',
    async (_input, { signal }) => {
      await mayStop
      signal.throwIfAborted()
      return null
    },
    { input: any },
  )
  const engine = await openEngine({ works: [slow] })
  const id = await engine.request('slow')
  await engine.inState(id, 'running')
  await engine.cancel(id)
  expect((await engine.inState(id, 'cancelling')).state).toBe('cancelling')
  letStop()
  expect((await engine.ended(id)).state).toBe('cancelled')
})

test('an attempt that runs over its time ends the operation, and its work is told so', async () => {
  let signal: AbortSignal | undefined
  const endless = work(
    'endless',
    (_input, running) => {
      signal = running.signal
      return forever(running)
    },
    { input: any },
  )
  const engine = await openEngine({ works: [endless] })
  const id = await engine.request('endless', {}, { policy: { timeoutMs: 20 } })
  expect(await engine.ended(id)).toMatchObject({ state: 'timed-out', attempt: 1 })
  expect(signal?.reason).toBeInstanceOf(AttemptAborted)
  expect(signal?.reason).toMatchObject({ why: 'timed-out', name: 'AbortError' })
})

test('work that ignores its signal does not hold its operation, and says no more', async () => {
  const { promise: deaf, resolve: letGo } = Promise.withResolvers<void>()
  let late: Promise<unknown> | undefined
  const ignoring = work(
    'deaf',
    async (_input, { output, progress, step }) => {
      await output('before\n')
      await deaf
      progress({ phase: 'too late' })
      await output('too late\n')
      late = step('late', async () => 1)
      return late as Promise<number>
    },
    { input: any },
  )
  const engine = await openEngine({ works: [ignoring], runtime: { abandonMs: 20, concurrency: 1 } })
  const id = await engine.request('deaf')
  await engine.inState(id, 'running')
  await engine.cancel(id)
  const ended = await engine.ended(id)
  expect(ended.state).toBe('cancelled')
  const { content } = await readOutput(engine.log, id, { offset: 0, limit: 1000 })
  expect(content.toString()).toBe('before\n\n[attempt 1 did not stop when it was told to (cancelled) and was left to itself]\n')
  // The only slot is free again.
  expect((await engine.ended(await engine.request('probe'))).state).toBe('succeeded')
  letGo()
  await engine.ended(await engine.request('probe'))
  await expect(late).rejects.toBeInstanceOf(AttemptAborted)
  expect((await engine.events(id)).at(-1)?.type).toBe('OperationCancelled')
  expect((await readOutput(engine.log, id, { offset: 0, limit: 1000 })).size).toBe(content.length)
})

test('recorded steps are not taken again by the next attempt', async () => {
  const taken: string[] = []
  const steps = work(
    'steps',
    async (_input, { step, attempt }) => {
      const take = (name: string) => step(name, async () => taken.push(`${name}${attempt}`))
      const [first] = await Promise.all([take('a'), take('constructor')])
      if (attempt === 1) throw new Error('between')
      return [first, await take('b')]
    },
    { input: any },
  )
  const engine = await openEngine({ works: [steps] })
  const ended = await engine.ended(await engine.request('steps'))
  expect(ended).toMatchObject({ state: 'succeeded', attempt: 2, result: [1, 3] })
  expect(taken).toEqual(['a1', 'constructor1', 'b2'])
})

test('an operation waits for its time', async () => {
  const engine = await openEngine()
  const runAt = new Date(systemClock.now() + 150).toISOString()
  const id = await engine.request('probe', {}, { runAt })
  const pending = await engine.until(() => engine.queries.byId(id))
  expect(pending.waitingFor).toMatchObject({ reason: 'time', until: runAt })
  const ended = await engine.ended(id)
  expect(Date.parse(ended.startedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(runAt))
})

test('no more attempts run than there is room for, the urgent ones first', async () => {
  const order: string[] = []
  const { promise: allAsked, resolve: begin } = Promise.withResolvers<void>()
  const one = work<{ name: string }>('one', async ({ name }) => allAsked.then(() => order.push(name)), {
    input: z.object({ name: z.string() }),
  })
  const engine = await openEngine({ works: [one], runtime: { concurrency: 1 } })
  const first = await engine.request('one', { name: 'first' })
  await engine.inState(first, 'running')
  const ids: string[] = []
  for (const [name, priority] of [
    ['a', 100],
    ['b', 100],
    ['c', 100],
    ['urgent', 1],
  ] as const)
    ids.push(await engine.request('one', { name }, { priority }))
  await engine.until(() => engine.queries.byId(ids.at(-1) as string))
  begin()
  await Promise.all(ids.map(engine.ended))
  // One doorbell is already in the worker's hand when the urgent one rings.
  expect(order).toEqual(['first', 'a', 'urgent', 'b', 'c'])
})

test('a kind with a scheduler of its own is woken and starts what it chooses', async () => {
  let start: ((id: string) => Promise<boolean>) | undefined
  const woken: string[] = []
  const { promise: twoWoken, resolve } = Promise.withResolvers<void>()
  const scheduled = work('scheduled', async () => 'chosen', {
    input: any,
    scheduler: {
      attach: (given) => (start = given),
      wake: (id) => {
        woken.push(id)
        if (woken.length === 2) resolve()
      },
    },
  })
  const engine = await openEngine({ works: [scheduled] })
  const first = await engine.request('scheduled')
  const second = await engine.request('scheduled')
  await twoWoken
  expect(await start?.(second)).toBe(true)
  expect(await engine.ended(second)).toMatchObject({ state: 'succeeded', result: 'chosen' })
  expect(await start?.(second)).toBe(false)
  expect(engine.queries.byId(first)).toMatchObject({ state: 'pending' })
})

test('secrets are sealed in the log, open in the work, and masked in whatever it says', async () => {
  const Login = z.object({ user: z.string(), password: z.string().meta({ secret: true }) })
  let seen: unknown
  const login = work<z.infer<typeof Login>>(
    'login',
    async (input, { output, attempt }) => {
      seen = input
      await output(`trying ${input.password}\n`)
      if (attempt === 1) throw new Error(`refused: ${input.password}`)
      return { used: input.password }
    },
    { input: Login },
  )
  const engine = await openEngine({ works: [login] })
  const id = await engine.request('login', { user: 'root', password: 'correct horse' })
  const ended = await engine.ended(id)
  expect(seen).toEqual({ user: 'root', password: 'correct horse' })
  expect(ended).toMatchObject({ input: { user: 'root', password: '***' }, result: { used: '***' } })
  const { content } = await readOutput(engine.log, id, { offset: 0, limit: 1000 })
  expect(content.toString()).toBe('trying ***\ntrying ***\n')
  for await (const event of engine.log.readAll()) expect(JSON.stringify(event)).not.toContain('correct horse')
})

const Password = z.object({ password: z.string().meta({ secret: true }) })

test('a secret that is split over two outputs is masked, and so is its progress', async () => {
  const talkative = work<z.infer<typeof Password>>(
    'talkative',
    async ({ password }, { output, progress, signal }) => {
      const half = Math.floor(password.length / 2)
      await output(`the key is ${password.slice(0, half)}`)
      await output(`${password.slice(half)} and begins with ${password.slice(0, half)}`)
      progress({ phase: password, detail: `with ${password}` })
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      return null
    },
    { input: Password },
  )
  const engine = await openEngine({ works: [talkative] })
  const id = await engine.request('talkative', { password: 'hunter2-secret' })
  const shown = await engine.until(() => engine.queries.byId(id)?.progress ?? undefined)
  expect(shown).toMatchObject({ phase: '***', detail: 'with ***' })
  await engine.cancel(id)
  await engine.ended(id)
  const { content } = await readOutput(engine.log, id, { offset: 0, limit: 1000 })
  expect(content.toString()).toBe('the key is *** and begins with hunter2')
})

test('a step gives its first attempt what later ones are given', async () => {
  const seen: unknown[] = []
  const steps = work<z.infer<typeof Password>>(
    'homes',
    async ({ password }, { step, attempt }) => {
      const home = await step('home', async () => ({ path: `/${password}/app`, at: new Date(0) as never, none: undefined }))
      seen.push(home)
      const failed = { retryable: true, details: { password } }
      if (attempt === 1) throw new WorkFailed('again', `not with ${password}`, failed)
      return null
    },
    { input: Password },
  )
  const engine = await openEngine({ works: [steps] })
  const id = await engine.request('homes', { password: 'root' })
  await engine.ended(id)
  const expected = { path: '/***/app', at: '1970-01-01T00:00:00.000Z' }
  expect(seen).toEqual([expected, expected])
  const failed = (await engine.events(id)).find(({ type }) => type === 'OperationAttemptFailed')
  const error = { type: 'again', message: 'not with ***', retryable: true, details: { password: '***' } }
  expect(failed?.data.error).toEqual(error)
})

test('a thousand probes all end exactly once', async () => {
  const engine = await openEngine()
  const ids = await Promise.all(Array.from({ length: 1000 }, (_, index) => engine.request('probe', { echo: index })))
  await engine.until(() => engine.queries.countByState().succeeded === 1000)
  for (const [index, id] of ids.entries()) expect(engine.queries.byId(id)).toMatchObject({ attempt: 1, result: { echo: index } })
})
