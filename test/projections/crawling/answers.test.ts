import { describe, expect, test } from 'vitest'
import { instant } from '../../../src/lib/clock.ts'
import { newId } from '../../../src/lib/ids.ts'
import type { JsonObject, JsonValue } from '../../../src/lib/json.ts'
import { answerQueries, answers } from '../../../src/projections/crawling/answers.ts'
import { rejectionQueries, rejections } from '../../../src/projections/crawling/rejections.ts'
import type { EventLog } from '../../../src/stores/event-log.ts'
import { actor, openLog, openViews, standingClock } from '../harness.ts'

const start = Date.parse('2026-01-01T00:00:00.000Z')
const dayMs = 86_400_000

const history = (log: EventLog) => {
  const happened = async (stream: string, type: string, data: JsonObject): Promise<string> => {
    const metadata = { correlationId: 'c', actor, schema: 1 }
    return (await log.append(stream, 'any', [{ id: newId(), type, data, metadata }])).position
  }
  return {
    requested: (id: string, uuid: string | null, kind = 'crawling.info') =>
      happened(`operation-${id}`, 'OperationRequested', {
        kind,
        face: 'crawling',
        lane: null,
        priority: 100,
        runAt: null,
        input: { uuid, appid: 'testapp' },
        policy: {},
        externalRef: uuid,
        parent: null,
        retryOf: null,
      }),
    succeeded: (id: string, result: JsonObject | null) =>
      happened(`operation-${id}`, 'OperationSucceeded', { attempt: 1, result }),
    failed: (id: string) =>
      happened(`operation-${id}`, 'OperationFailed', { attempt: 1, error: { type: 't', message: 'no', retryable: false } }),
    forwarded: (id: string, uuid: JsonValue, more: JsonObject = { stats: 'all' }) =>
      happened(`forward-${id}`, 'FeedReceived', {
        payload: { uuid, appid: 'testapp', ...more },
        class: 'stats',
        awaitsAnswer: true,
      }),
    received: (id: string, uuid: string, more: JsonObject = {}) =>
      happened(`answer-${id}`, 'AnswerReceived', { uuid, answer: { uuid, appid: 'other', ...more } }),
    delivered: (id: string) => happened(`answer-${id}`, 'AnswerDelivered', { uuid: 'u' }),
    polled: (id: string) => happened(`answer-${id}`, 'AnswerPolled', { uuid: 'u' }),
    rejected: (id: string, payload: JsonObject) =>
      happened(`feed-${id}`, 'FeedRejected', { payload, nearestClass: 'stats', errors: [{ pointer: '', message: 'why' }] }),
  }
}

const open = async () => {
  const clock = standingClock(start)
  const log = await openLog(clock)
  const projections = await openViews(log, [answers, rejections], ':memory:', clock)
  const queries = () => answerQueries(projections.views('crawling-answers'))
  const since = instant(0)
  return {
    clock,
    projections,
    ...history(log),
    caughtUp: async () => projections.reached(await log.head()),
    stored: (uuid: string, from = since) =>
      queries()
        .stored(uuid, { since: from })
        .map(({ id }) => id),
    states: () =>
      Object.fromEntries(
        queries()
          .list({ limit: 100 })
          .items.map(({ id, state }) => [id, state]),
      ),
    rows: () =>
      JSON.stringify([
        queries().list({ limit: 100 }),
        rejectionQueries(projections.views('crawling-rejections')).list({ limit: 100 }),
      ]),
  }
}

describe('the view of answers', () => {
  test('gives the latest answer of a uuid first, and takes the earlier ones back when it was polled', async () => {
    const { requested, succeeded, polled, caughtUp, stored, states } = await open()
    for (const id of ['1', '2', '3']) await requested(id, 'u')
    await requested('4', 'other')
    for (const id of ['2', '1', '4']) await succeeded(id, { id })
    await caughtUp()
    expect(stored('u')).toEqual(['1', '2'])
    await polled('1')
    await succeeded('3', {})
    await caughtUp()
    expect(stored('u')).toEqual(['3'])
    expect(states()).toEqual({ 1: 'read', 2: 'replaced', 3: 'stored', 4: 'stored' })
  })

  test('stores nothing that was handed out, failed, or has no answer', async () => {
    const { requested, succeeded, failed, delivered, rejected, caughtUp, stored, states } = await open()
    for (const id of ['1', '2', '3', '4']) await requested(id, 'u')
    await succeeded('1', {})
    await delivered('1')
    await failed('2')
    await succeeded('3', null)
    await rejected('5', { uuid: 'u' })
    await rejected('6', { uuid: 6 })
    await requested('7', 'crawl-key', 'crawling.crawl')
    await caughtUp()
    expect(stored('u')).toEqual([])
    expect(states()).toEqual({ 1: 'answered', 2: 'never', 3: 'never', 4: 'waiting', 5: 'never' })
  })

  test('leaves out what is older than is asked for, and forgets what is long done', async () => {
    const { clock, requested, succeeded, polled, caughtUp, stored, states } = await open()
    for (const id of ['1', '2']) await requested(id, 'u')
    await succeeded('1', {})
    await polled('1')
    await succeeded('2', {})
    clock.set(start + 31 * dayMs)
    await requested('3', 'u')
    await caughtUp()
    expect(stored('u')).toEqual(['2'])
    expect(stored('u', instant(start + dayMs))).toEqual([])
    expect(states()).toEqual({ 2: 'stored', 3: 'waiting' })
  })

  test('an answer of a Scrapy Cluster belongs to the request that has waited longest, or stands for itself', async () => {
    const { forwarded, received, delivered, polled, caughtUp, stored, states } = await open()
    await forwarded('f1', 'u')
    await forwarded('f2', 'u')
    await forwarded('f3', 7)
    await received('m1', 'u', { n: 1 })
    await received('m2', 'of another program')
    await received('m3', '7')
    await caughtUp()
    expect(states()).toEqual({ m1: 'stored', f2: 'waiting', m2: 'stored', m3: 'stored' })
    await delivered('m1')
    await received('m4', 'u')
    await polled('m2')
    await caughtUp()
    expect(states()).toEqual({ m1: 'answered', m4: 'stored', m2: 'read', m3: 'stored' })
    expect(stored('u')).toEqual(['m4'])
  })

  test('forgets what a Scrapy Cluster never answered', async () => {
    const { clock, forwarded, requested, caughtUp, states } = await open()
    await forwarded('f1', 'u')
    await requested('1', 'u')
    clock.set(start + 31 * dayMs)
    await forwarded('f2', 'v')
    await caughtUp()
    expect(states()).toEqual({ 1: 'waiting', f2: 'waiting' })
  })

  test('is the same when it is made again', async () => {
    const { clock, projections, requested, succeeded, polled, delivered, rejected, caughtUp, rows } = await open()
    for (const id of ['1', '2', '3', '4']) await requested(id, 'u')
    for (const id of ['1', '2', '3']) await succeeded(id, { id })
    await delivered('1')
    await polled('2')
    await rejected('5', { uuid: 'u', appid: 'testapp' })
    clock.set(start + 31 * dayMs)
    await requested('6', 'u')
    await caughtUp()
    const before = rows()
    for (const name of ['crawling-answers', 'crawling-rejections']) await projections.rebuild(name)
    expect(rows()).toBe(before)
  })
})
