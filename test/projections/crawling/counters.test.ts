import { expect, test } from 'vitest'
import { counterQueries, crawlingCounters } from '../../../src/projections/crawling/counters.ts'
import { append, event, openLog, openViews, requested, standingClock } from '../harness.ts'

const day = 86_400_000

test('counters roll: what is older than a window leaves it, the lifetime keeps it', async () => {
  const begin = Date.parse('2026-11-21T00:00:00.000Z')
  const clock = standingClock(begin)
  const log = await openLog(clock)
  const views = await openViews(log, [crawlingCounters])
  const counters = counterQueries(views.views('crawling-counters'))
  const stats = (id: string) => append(log, id, requested({ kind: 'crawling.stats' }))
  await stats('one')
  clock.set(begin + 2 * 3_600_000)
  await views.reached(await stats('two'))
  expect(counters.requests('incoming', clock.now()).StatsHandler).toEqual({
    '900': 1,
    '3600': 1,
    '21600': 2,
    '43200': 2,
    '86400': 2,
    '604800': 2,
    lifetime: 2,
  })
  expect(counters.requests('monitor', begin + 2 * day).StatsMonitor).toEqual({ '604800': 2, lifetime: 2 })
  clock.set(begin + 30 * day)
  await views.reached(await stats('three'))
  expect(counters.requests('incoming', clock.now()).total).toMatchObject({ '604800': 1, lifetime: 3 })
})

test('rejected feeds count as incoming failures, expiries and failed requests in the works behind', async () => {
  const log = await openLog()
  const views = await openViews(log, [crawlingCounters])
  const counters = counterQueries(views.views('crawling-counters'))
  const failed = (type: string) => event('OperationFailed', { attempt: 1, error: { type, message: 'no', retryable: false } })
  await log.append('feed-1', 'noStream', [event('FeedRejected', {})])
  await log.append('crawl-1', 'noStream', [event('CrawlExpired', { spiderid: 's', appid: 'a', crawlid: 'c', expires: 1 })])
  await append(log, 'broken', requested({ kind: 'crawling.info' }), failed('work-crashed'))
  await views.reached(await append(log, 'vain', requested({ kind: 'crawling.stop' }), failed('unanswerable')))
  const lifetimes = (kind: 'incoming' | 'monitor') =>
    Object.fromEntries(Object.entries(counters.requests(kind, Date.now())).map(([name, { lifetime }]) => [name, lifetime]))
  expect(lifetimes('incoming')).toEqual({ ActionHandler: 2, fail: 1, total: 3 })
  expect(lifetimes('monitor')).toEqual({ ExpireMonitor: 1, InfoMonitor: 1, StopMonitor: 1, fail: 1, total: 3 })
})
