import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { createExecutor } from '../../../src/commands/execute.ts'
import { type WebhookCommand, webhook } from '../../../src/commands/webhook.ts'
import { type Clock, parseInstant, systemClock } from '../../../src/lib/clock.ts'
import { SecretForgotten } from '../../../src/lib/errors.ts'
import { newId } from '../../../src/lib/ids.ts'
import { createProjections } from '../../../src/projections/engine/projection-engine.ts'
import { webhookQueries, webhooks } from '../../../src/projections/webhooks/webhooks.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import { type EventLog, origin, type RecordedEvent } from '../../../src/stores/event-log.ts'
import type { Delivered } from '../../../src/workers/webhooks/delivery.ts'
import { createWebhooksService } from '../../../src/workers/webhooks/webhooks-service.ts'
import { temporaryDirectory } from '../../stores/temporary.ts'

const logger = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' })
/** Waits and time limits pass a thousand times faster. */
const fast: Clock = {
  ...systemClock,
  after: (ms, run) => systemClock.after(ms / 1000, run),
  sleep: (ms, signal) => systemClock.sleep(ms / 1000, signal),
}
const actor = { principal: 'tester', face: null, address: null }
const secret = { $sealed: 'v1.x', subject: 'webhook-1' }

type Answer = Delivered | 'ok' | 'silence' | Error
const failed = (
  error = 'the receiver answered 500',
  more: Partial<Extract<Delivered, { delivered: false }>> = {},
): Delivered => ({
  delivered: false,
  error,
  retryAfterMs: undefined,
  gone: false,
  ...more,
})

interface Sent {
  readonly stream: string
  readonly n: number
  readonly name: string
}

/** A receiver in memory. */
const openReceiver = () => {
  const sent: Sent[] = []
  const looks = new Set<() => void>()
  let answer: (event: Sent) => Answer = () => 'ok'
  let atATime = 0
  let mostAtATime = 0
  let resolvers: (() => void)[] = []
  return {
    sent,
    mostAtATime: () => mostAtATime,
    answer: (next: typeof answer) => {
      answer = next
    },
    release: () => {
      for (const resolve of resolvers) resolve()
      resolvers = []
    },
    of: (stream: string) => sent.filter((one) => one.stream === stream).map(({ n }) => n),
    until: (enough: () => boolean): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!enough()) return
          looks.delete(look)
          resolve()
        }
        looks.add(look)
        look()
      }),
    deliver: async ({ url }: { readonly url: string }, event: RecordedEvent, signal: AbortSignal): Promise<Delivered> => {
      const one = { stream: event.stream, n: Number(event.data.n), name: url }
      sent.push(one)
      mostAtATime = Math.max(mostAtATime, ++atATime)
      const given = answer(one)
      for (const look of [...looks]) look()
      try {
        if (given === 'silence')
          await new Promise<void>((resolve, reject) => {
            resolvers.push(resolve)
            signal.addEventListener('abort', () => reject(signal.reason))
          })
        if (given instanceof Error) throw given
        return given === 'ok' || given === 'silence' ? { delivered: true } : given
      } finally {
        atATime--
      }
    },
  }
}

const open = async ({ clock = systemClock }: { readonly clock?: Clock } = {}) => {
  const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
  const directory = temporaryDirectory()
  const projections = createProjections({ log, directory, projections: [webhooks], clock: systemClock, logger })
  await projections.start()
  const executor = createExecutor({ log, clock: systemClock })
  const receiver = openReceiver()
  const queries = webhookQueries(projections.views('webhooks'))
  const command = async (wish: WebhookCommand): Promise<void> => {
    const id = newId()
    const outcome = await executor.execute(webhook, wish, { commandId: id, correlationId: id, actor })
    if (outcome.refused !== undefined) throw new Error(outcome.refused.reason)
    await projections.reached(await log.head())
  }
  const revisions = new Map<string, number>()
  const services = new Set<{ stop(): Promise<void> }>()
  onTestFinished(async () => {
    receiver.release()
    for (const service of services) await service.stop()
    await projections.stop()
    await log.close()
  })
  return {
    log,
    projections,
    receiver,
    queries,
    command,
    create: (name: string, more: object = {}) =>
      command({
        type: 'CreateWebhook',
        ...{ name, url: name, filter: { category: 'counter' }, active: true, secret, run: newId(), from: origin },
        ...more,
      }),
    /** Appends the next numbers to a stream. */
    count: async (stream: string, many = 1): Promise<void> => {
      const from = revisions.get(stream) ?? 0
      revisions.set(stream, from + many)
      const metadata = { correlationId: 'c', actor, schema: 1 }
      const events = Array.from({ length: many }, (_, n) => ({ id: newId(), type: 'Counted', data: { n: from + n }, metadata }))
      await log.append(stream, 'any', events)
    },
    start: async () => {
      const ports = { log, executor, projections, deliver: receiver.deliver, clock, logger }
      const service = createWebhooksService(ports)
      services.add(service)
      await service.start()
      return {
        stop: async () => {
          services.delete(service)
          await service.stop()
        },
      }
    },
    /** Resolves when the view of a webhook is as it should be. */
    seen: async (isSo: () => boolean): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const detach = projections.onApplied(() => {
        if (isSo()) resolve()
      })
      if (isSo()) resolve()
      await promise
      detach()
    },
  }
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, index) => index)
const typesOf = async (log: EventLog, stream: string): Promise<string[]> => {
  const types: string[] = []
  for await (const { type } of log.readStream(stream)) types.push(type)
  return types
}

test('the history is delivered, each stream in its order, with bounded requests, and the webhook says that it is done', async () => {
  const { receiver, create, count, start, seen, queries, log } = await open()
  for (let round = 0; round < 3; round++) for (let n = 0; n < 60; n++) await count(`counter-${n}`, 2)
  await create('all')
  await start()
  await receiver.until(() => receiver.sent.length >= 360)
  for (let n = 0; n < 60; n++) expect(receiver.of(`counter-${n}`)).toEqual(upTo(6))
  expect(receiver.mostAtATime()).toBeLessThanOrEqual(16)
  const head = await log.head()
  await seen(() => (queries.byName('all')?.position ?? '') > '0' && queries.open(queries.byName('all') as never).length === 0)
  expect(queries.byName('all')?.position.length).toBe(head.length)
})

test('a webhook does not deliver what webhooks say, and says nothing where nothing is delivered', async () => {
  const { receiver, create, count, start, log, command } = await open()
  await create('everything', { filter: {} })
  await start()
  await count('counter-1')
  await receiver.until(() => receiver.sent.length === 1)
  await command({ type: 'PauseWebhook', name: 'everything', because: 'enough' })
  await command({ type: 'ResumeWebhook', name: 'everything' })
  await count('counter-1')
  await receiver.until(() => receiver.sent.length >= 2)
  expect(receiver.sent.map(({ stream }) => stream)).toEqual(['counter-1', 'counter-1'])
  const head = await log.head()
  await systemClock.sleep(200)
  const after = []
  for await (const event of log.readAll({ after: head })) after.push(event.type)
  expect(after.length).toBeLessThanOrEqual(1)
})

test('the first position, the filter and the principal decide what is delivered', async () => {
  const { receiver, create, count, start, log } = await open()
  await count('counter-1', 3)
  await create('later', { from: await log.head() })
  await create('one', { filter: { stream: ['counter-2'], type: 'Counted', principal: 'tester', correlation: ['c', 'd'] } })
  await create('none', { filter: { principal: 'somebody' } })
  await count('other-1')
  await count('counter-1')
  await count('counter-2')
  await start()
  await receiver.until(() => receiver.sent.length >= 3)
  const got = (name: string) => receiver.sent.filter((one) => one.name === name).map(({ stream, n }) => `${stream} ${n}`)
  expect(got('later')).toEqual(['counter-1 3', 'counter-2 0'])
  expect(got('one')).toEqual(['counter-2 0'])
  expect(got('none')).toEqual([])
})

test('a stream that fails or is silent holds up neither other streams nor other webhooks', async () => {
  const { receiver, create, count, start, seen, queries } = await open()
  receiver.answer(({ stream, name }) =>
    name === 'slow' && stream === 'counter-0' ? 'silence' : name === 'slow' && stream === 'counter-1' ? failed() : 'ok',
  )
  await create('slow')
  await create('quick')
  await start()
  for (let n = 0; n < 200; n++) await count(`counter-${n % 100}`)
  const got = (name: string) =>
    receiver.sent.filter((one) => one.name === name && one.stream !== 'counter-0' && one.stream !== 'counter-1')
  await receiver.until(() => got('slow').length >= 196 && receiver.sent.filter(({ name }) => name === 'quick').length >= 200)
  await seen(() => queries.byName('slow')?.failures === 1)
  expect(queries.byName('slow')).toMatchObject({ failures: 1, lastError: 'the receiver answered 500' })
  const behind = queries.open(queries.byName('slow') as never).map(({ stream }) => stream)
  expect(behind.filter((stream) => ['counter-0', 'counter-1'].includes(stream))).toEqual(['counter-0', 'counter-1'])
})

test('the events behind one that fails wait for it, and come in their order', async () => {
  const { receiver, create, count, start, seen, queries } = await open({ clock: fast })
  let left = 5
  receiver.answer(({ n }) => (n === 1 && left-- > 0 ? failed() : 'ok'))
  await create('all')
  await count('counter-1', 2)
  await start()
  await count('counter-1', 40)
  await receiver.until(() => receiver.sent.length >= 47)
  expect(receiver.of('counter-1')).toEqual([0, 1, 1, 1, 1, 1, ...upTo(42).slice(1)])
  await seen(() => queries.byName('all')?.failures === 0 && queries.open(queries.byName('all') as never).length === 0)
})

test('the wait doubles from a second to five minutes, and Retry-After is honoured', async () => {
  const { receiver, create, count, start, log, seen, queries } = await open({ clock: fast })
  receiver.answer(() => (receiver.sent.length === 3 ? failed('busy', { retryAfterMs: 77_000 }) : failed()))
  await create('all')
  await count('counter-1')
  await start()
  await seen(() => queries.byName('all')?.parked === 1)
  const waits: number[] = []
  for await (const { type, data, recordedAt } of log.readAll({ filter: { streamPrefixes: ['webhookProgress-'] } }))
    if (type === 'WebhookDeliveryFailed')
      waits.push(Math.round((parseInstant(String(data.retryAt)) - parseInstant(recordedAt)) / 1000))
  expect(waits).toEqual([1, 2, 77, 8, 16, 32, 64, 128, 256, ...Array.from({ length: 10 }, () => 300)])
})

test('after 20 failures in a row an event is parked and its stream goes on; it can be redriven or discarded', async () => {
  const { receiver, create, count, start, seen, queries, command, log } = await open({ clock: fast })
  receiver.answer(({ n }) => (n < 2 ? failed('never') : 'ok'))
  await create('all')
  await count('counter-1', 3)
  await start()
  await seen(() => queries.byName('all')?.parked === 2)
  await receiver.until(() => receiver.of('counter-1').includes(2))
  expect(receiver.of('counter-1')).toEqual([...Array(20).fill(0), ...Array(20).fill(1), 2])
  const { items } = queries.parked('all', { limit: 10 })
  expect(items).toMatchObject([
    { stream: 'counter-1', attempts: 20, error: 'never' },
    { stream: 'counter-1', attempts: 20, error: 'never' },
  ])
  const [first, second] = items.map(({ id }) => id)
  await command({ type: 'DiscardEvent', name: 'all', id: String(second) })
  receiver.answer(() => 'ok')
  await command({ type: 'RedriveEvent', name: 'all', id: String(first) })
  await receiver.until(() => receiver.sent.length === 42)
  expect(receiver.sent.at(-1)).toMatchObject({ n: 0 })
  await seen(() => queries.open(queries.byName('all') as never).length === 0)
  expect(queries.parked('all', { limit: 10 }).items).toEqual([])
  expect((await typesOf(log, 'webhook-all')).slice(-3)).toEqual([
    'WebhookEventDiscarded',
    'WebhookRedriveRequested',
    'WebhookEventRedriven',
  ])
})

test('a receiver that is gone, and a forgotten secret, pause the webhook; it goes on where it was', async () => {
  const { receiver, create, count, start, seen, queries, command } = await open()
  receiver.answer(() => failed('the receiver answered 410 Gone', { gone: true }))
  await create('all')
  await count('counter-1', 2)
  await start()
  await seen(() => queries.byName('all')?.pausedBecause === 'the receiver answered 410 Gone')
  receiver.answer(() => new SecretForgotten('webhook-1'))
  await command({ type: 'ResumeWebhook', name: 'all' })
  await seen(() => queries.byName('all')?.pausedBecause === 'its secret was forgotten')
  receiver.answer(() => 'ok')
  await command({ type: 'ResumeWebhook', name: 'all' })
  await receiver.until(() => receiver.of('counter-1').includes(1))
  expect(receiver.of('counter-1')).toEqual([0, 0, 0, 1])
})

test('what is paused, changed or deleted is no longer delivered as before, and beginning anew delivers again', async () => {
  const { receiver, create, count, start, command, seen, queries } = await open()
  await create('all')
  await start()
  await count('counter-1', 2)
  await receiver.until(() => receiver.sent.length === 2)
  await command({ type: 'PauseWebhook', name: 'all', because: 'enough' })
  await count('counter-1')
  const settings = { name: 'all', filter: { category: 'counter' }, active: true, secret: undefined }
  const run = newId()
  await command({ type: 'ReplaceWebhook', ...settings, url: 'again', begin: { run, from: origin } })
  await receiver.until(() => receiver.sent.length === 5)
  expect(receiver.sent.slice(2).map(({ name, n }) => `${name} ${n}`)).toEqual(['again 0', 'again 1', 'again 2'])
  await seen(() => queries.byName('all')?.run === run && (queries.byName('all')?.progressRevision ?? -1) >= 0)
  await command({ type: 'DeleteWebhook', name: 'all' })
  await count('counter-1')
  await create('all', { url: 'new', from: origin })
  await receiver.until(() => receiver.sent.length === 9)
  expect(receiver.sent.slice(5).map(({ name, n }) => `${name} ${n}`)).toEqual(['new 0', 'new 1', 'new 2', 'new 3'])
})

test('another node goes on where the last one stopped, and one that was frozen gives way', async () => {
  const { receiver, create, count, start, seen, queries } = await open()
  receiver.answer(({ stream, n }) => (stream === 'counter-1' && n === 1 ? failed() : 'ok'))
  await create('all')
  const first = await start()
  for (let n = 0; n < 30; n++) await count(`counter-${n % 3}`)
  await receiver.until(() => receiver.sent.length >= 22)
  await first.stop()
  const before = receiver.sent.length
  await start()
  await receiver.until(() => receiver.sent.length > before)
  expect(receiver.sent.slice(before).every(({ stream, n }) => stream === 'counter-1' && n === 1)).toBe(true)
  // A second one at the same time: both write, one finds out, and nothing is missed.
  receiver.answer(() => 'ok')
  const other = await start()
  for (let n = 30; n < 60; n++) await count(`counter-${n % 3}`)
  await receiver.until(() => [0, 1, 2].every((n) => new Set(receiver.of(`counter-${n}`)).size === 20))
  await other.stop()
  await seen(() => queries.open(queries.byName('all') as never).length === 0)
})

test('more streams than fit are delivered too: what does not fit is read again', async () => {
  const { receiver, create, count, start, seen, queries } = await open()
  receiver.answer(({ n }) => (n === 0 ? 'silence' : 'ok'))
  await create('all')
  await start()
  for (let n = 0; n < 120; n++) await count(`counter-${n}`, 30)
  await receiver.until(() => receiver.sent.length >= 16)
  receiver.answer(() => 'ok')
  receiver.release()
  await receiver.until(() => receiver.sent.length >= 3_600)
  for (let n = 0; n < 120; n++) expect(receiver.of(`counter-${n}`)).toEqual(upTo(30))
  await seen(() => queries.open(queries.byName('all') as never).length === 0)
})
