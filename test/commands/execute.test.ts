import { expect, onTestFinished, test } from 'vitest'
import { domainRules } from '../../src/commands/crawling/domain-rules.ts'
import { type CommandContext, createExecutor, type Executor } from '../../src/commands/execute.ts'
import { lane } from '../../src/commands/lane.ts'
import { operation, operationStream } from '../../src/commands/operation.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { Unavailable } from '../../src/lib/errors.ts'
import { eventId, newId } from '../../src/lib/ids.ts'
import { nextTurn } from '../../src/lib/time-slice.ts'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'
import type { EventLog } from '../../src/stores/event-log.ts'
import { context } from '../workers/engine.ts'

const now = systemClock.now()
const request = {
  kind: 'probe',
  face: null,
  lane: null,
  priority: 100,
  runAt: null,
  input: {},
  policy: { attempts: 3, timeoutMs: 1000, backoff: { initialMs: 0, factor: 1, maxMs: 0 }, whenLost: 'retry' },
  externalRef: null,
  parent: null,
  retryOf: null,
} as const

const openLog = async (): Promise<EventLog> => {
  const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
  onTestFinished(() => log.close())
  return log
}
const ask = (executor: Executor, id: string) =>
  executor.execute(operation, { type: 'RequestOperation', id, request }, context({ commandId: id }))
const start = (executor: Executor, id: string, worker: string) =>
  executor.execute(operation, { type: 'StartAttempt', id, worker, now }, context())

test('events carry ids of their command and its surroundings', async () => {
  const log = await openLog()
  const executor = createExecutor({ log, clock: systemClock })
  const asked = context({ causationId: newId(), traceparent: 'tp' })
  const accepted = await executor.execute(operation, { type: 'RequestOperation', id: asked.commandId, request }, asked)
  expect(accepted).toMatchObject({ revision: 0, state: { status: 'pending' }, position: await log.head() })
  for await (const event of log.readStream(operationStream(asked.commandId)))
    expect(event).toMatchObject({
      id: eventId(asked.commandId, 0),
      metadata: {
        correlationId: asked.correlationId,
        causationId: asked.causationId,
        actor: asked.actor,
        schema: 1,
        traceparent: 'tp',
      },
    })
})

test('of many that want the same exactly one gets it', async () => {
  const log = await openLog()
  const executors = [createExecutor({ log, clock: systemClock }), createExecutor({ log, clock: systemClock })] as const
  const id = newId()
  await ask(executors[0], id)
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, index) => start(executors[index % 2 ? 1 : 0], id, `worker-${index}`)),
  )
  expect(outcomes.filter(({ refused }) => refused === undefined)).toHaveLength(1)
  for (const { refused } of outcomes)
    if (refused !== undefined) expect(refused).toEqual({ reason: 'already-running', attempt: 1 })
})

test.each([64, 512])(
  '%d commands on one stream at once take turns: none is rejected, and they come in their order',
  async (many) => {
    const log = await openLog()
    const executor = createExecutor({ log, clock: systemClock })
    const outcomes = await Promise.all(
      Array.from({ length: many }, (_, index) =>
        executor.execute(
          domainRules,
          {
            type: 'SetThrottle',
            asked: { domain: 'example.com', operation: `o${index}`, appid: 'a', uuid: `${index}` },
            window: 60,
            hits: index + 1,
            scale: 1,
          },
          context(),
        ),
      ),
    )
    expect(outcomes.map(({ revision }) => revision)).toEqual(Array.from({ length: many }, (_, index) => index))
  },
)

test('a command on another stream does not wait for one that gets no answer', async () => {
  const log = await openLog()
  const { promise: hung, resolve: answer } = Promise.withResolvers<void>()
  const slow: EventLog = {
    ...log,
    append: async (stream, expected, events) => {
      if (stream === operationStream(first)) await hung
      return log.append(stream, expected, events)
    },
  }
  const executor = createExecutor({ log: slow, clock: systemClock })
  const first = newId()
  const waiting = [ask(executor, first), start(executor, first, 'one'), start(executor, first, 'other')]
  expect(await ask(executor, newId())).toMatchObject({ revision: 0 })
  answer()
  expect(await Promise.all(waiting)).toMatchObject([{ revision: 0 }, { revision: 1 }, { refused: { reason: 'already-running' } }])
})

test("a pinned revision is compared when it is the command's turn", async () => {
  const log = await openLog()
  const executor = createExecutor({ log, clock: systemClock })
  const id = newId()
  await ask(executor, id)
  const cancel = () =>
    executor.execute(operation, { type: 'CancelOperation', id, reason: null }, context(), { pinnedRevision: 0 })
  expect(await Promise.all([start(executor, id, 'one'), cancel()])).toMatchObject([
    { revision: 1 },
    { refused: { reason: 'version-mismatch', expected: 0, actual: 1 } },
  ])
})

test('while the log is away a queue of commands is told so together, not one after the other', async () => {
  const log = await openLog()
  let passed = 0
  const clock = { ...systemClock, monotonic: () => passed, sleep: async () => undefined }
  let tries = 0
  const away: EventLog = {
    ...log,
    append: async () => {
      tries++
      // The others are asked meanwhile.
      await nextTurn()
      passed += 11_000
      throw new Unavailable('away')
    },
  }
  const executor = createExecutor({ log: away, clock })
  const id = newId()
  const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => ask(executor, id)))
  for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'Unavailable' } })
  expect(tries).toBe(1)
})

test('a refusal is never given on an old state: another process may have moved the stream', async () => {
  const log = await openLog()
  const one = createExecutor({ log, clock: systemClock })
  const other = createExecutor({ log, clock: systemClock })
  const id = newId()
  await ask(one, id)
  await start(one, id, 'first')
  await other.execute(operation, { type: 'LoseAttempt', id, attempt: 1, now }, context())
  expect(await start(one, id, 'second')).toMatchObject({ state: { status: 'running', attempt: 2 }, revision: 3 })
  await one.execute(lane, { type: 'AcquireLane', lane: 'l', operation: id }, context())
  await other.execute(lane, { type: 'ReleaseLane', lane: 'l', operation: id }, context())
  const taken = await one.execute(lane, { type: 'AcquireLane', lane: 'l', operation: 'next' }, context())
  expect(taken.refused).toBeUndefined()
  await other.execute(lane, { type: 'ReleaseLane', lane: 'l', operation: 'next' }, context())
  const again = await one.execute(lane, { type: 'AcquireLane', lane: 'l', operation: 'next' }, context())
  expect(again).toMatchObject({ revision: 4, state: { holder: 'next' } })
})

test('what is recalled may be old; who asked is known whether the stream was written or read here', async () => {
  const log = await openLog()
  const one = createExecutor({ log, clock: systemClock })
  const other = createExecutor({ log, clock: systemClock })
  const asked = context()
  await one.execute(operation, { type: 'RequestOperation', id: asked.commandId, request }, asked)
  const stream = operationStream(asked.commandId)
  await start(other, asked.commandId, 'w')
  const { actor, correlationId } = asked
  const first = { id: eventId(asked.commandId, 0), metadata: { actor, correlationId } }
  expect(await one.recall(operation, stream)).toMatchObject({ state: { status: 'pending', request }, revision: 0, first })
  expect(await one.load(operation, stream)).toMatchObject({ state: { status: 'running' }, revision: 1, first })
  expect(await one.recall(operation, stream)).toMatchObject({ state: { status: 'running' }, revision: 1, first })
  const third = createExecutor({ log, clock: systemClock })
  expect(await third.recall(operation, stream)).toMatchObject({ state: { status: 'running' }, revision: 1, first })
  expect(await third.recall(operation, operationStream(newId()))).toMatchObject({ revision: -1, first: undefined })
})

test('what was heard of a new stream is decided on without a read, and what is old is found out by the append', async () => {
  const log = await openLog()
  let reads = 0
  const counted: EventLog = {
    ...log,
    readStream: (...given) => {
      reads += 1
      return log.readStream(...given)
    },
  }
  const heard = createExecutor({ log: counted, clock: systemClock })
  const other = createExecutor({ log, clock: systemClock })
  const listenTo = async (asked: CommandContext): Promise<void> => {
    await other.execute(operation, { type: 'RequestOperation', id: asked.commandId, request }, asked)
    for await (const event of log.readStream(operationStream(asked.commandId))) heard.learn(operation, event)
  }
  const fresh = context()
  await listenTo(fresh)
  const { actor, correlationId } = fresh
  const first = { id: eventId(fresh.commandId, 0), metadata: { actor, correlationId } }
  expect(await heard.recall(operation, operationStream(fresh.commandId))).toMatchObject({
    state: { request },
    revision: 0,
    first,
  })
  await start(heard, fresh.commandId, 'w')
  expect(reads).toBe(0)
  const taken = context()
  await listenTo(taken)
  await start(other, taken.commandId, 'w')
  expect(await start(heard, taken.commandId, 'v')).toMatchObject({ refused: { reason: 'already-running' } })
  // What is known to be further is not forgotten for it.
  for await (const event of log.readStream(operationStream(fresh.commandId))) heard.learn(operation, event)
  expect(await heard.recall(operation, operationStream(fresh.commandId))).toMatchObject({ state: { attempt: 1 }, revision: 1 })
})

test('a pinned revision that is not the present one is refused', async () => {
  const log = await openLog()
  const executor = createExecutor({ log, clock: systemClock })
  const id = newId()
  await ask(executor, id)
  const cancel = (pinnedRevision: number) =>
    executor.execute(operation, { type: 'CancelOperation', id, reason: null }, context(), { pinnedRevision })
  expect((await cancel(3)).refused).toEqual({ reason: 'version-mismatch', expected: 3, actual: 0 })
  expect(await cancel(0)).toMatchObject({ revision: 1, state: { status: 'cancelled' } })
  const again = await executor.execute(operation, { type: 'CancelOperation', id, reason: null }, context())
  expect(again).toMatchObject({ revision: 1, position: null })
})

test('an append whose outcome is unknown is repeated verbatim and counts once', async () => {
  const log = await openLog()
  let failures = 0
  const shaky: EventLog = {
    ...log,
    readStream: log.readStream,
    append: async (stream, expected, events) => {
      const appended = await log.append(stream, expected, events)
      if (failures++ < 2) throw new Unavailable('the answer was lost')
      return appended
    },
  }
  const executor = createExecutor({ log: shaky, clock: systemClock })
  const id = newId()
  expect(await ask(executor, id)).toMatchObject({ revision: 0 })
  expect(failures).toBe(3)
  expect((await executor.load(operation as never, operationStream(id))).revision).toBe(0)
})

test('a log that tried for long itself is asked once: whoever waits is told', async () => {
  const log = await openLog()
  let elapsed = 0
  let asked = 0
  const slow: EventLog = {
    ...log,
    append: async () => {
      asked++
      elapsed += 15_000
      throw new Unavailable('no answer')
    },
  }
  const executor = createExecutor({ log: slow, clock: { ...systemClock, monotonic: () => elapsed } })
  await expect(ask(executor, newId())).rejects.toThrow(Unavailable)
  expect(asked).toBe(1)
})

test('the same command after a restart is recorded once', async () => {
  const log = await openLog()
  const id = newId()
  await ask(createExecutor({ log, clock: systemClock }), id)
  const after = createExecutor({ log, clock: systemClock })
  await start(after, id, 'w')
  expect(await ask(createExecutor({ log, clock: systemClock }), id)).toMatchObject({ state: { status: 'pending' }, revision: 0 })
  let events = 0
  for await (const _ of log.readStream(operationStream(id))) events++
  expect(events).toBe(2)
})
