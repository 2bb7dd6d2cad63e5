import fc from 'fast-check'
import { expect, test } from 'vitest'
import { instant } from '../../../src/lib/clock.ts'
import { counterQueries, crawlingCounters } from '../../../src/projections/crawling/counters.ts'
import { openViewFile } from '../../../src/projections/engine/view-file.ts'
import type { Tx } from '../../../src/projections/projection.ts'
import type { RecordedEvent } from '../../../src/stores/event-log.ts'
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

/** Steps of a clock that is sometimes days behind or ahead, in seconds. */
const pages = fc.array(
  fc.record({
    step: fc.constantFrom(0, 3, 3, 3, 40, 9 * 86_400, -9 * 86_400),
    spiderid: fc.constantFrom('link', 'wandering'),
    isWritten: fc.boolean(),
  }),
  { minLength: 1, maxLength: 60 },
)

test('counted together or one by one, the rows are the same', () =>
  fc.assert(
    fc.property(pages, (script) => {
      let at = Date.parse('2026-11-21T00:00:00.000Z')
      const events = script.map(({ step, spiderid }, index): RecordedEvent => {
        at += step * 1000
        const fetched = event('PageFetched', { spiderid, host: 'h', statusCode: 200 })
        return { ...fetched, stream: `page-${index}`, revision: 0, position: String(index), recordedAt: instant(at) }
      })
      const rowsAfter = (write: (tx: Tx) => void) => {
        const tables = openViewFile(crawlingCounters, ':memory:', () => {})
        write(tables.tx)
        const rows = [tables.read.all(`SELECT * FROM buckets`), tables.read.all(`SELECT * FROM lifetimes`)]
        tables.close()
        return rows
      }
      const together = rowsAfter((tx) => {
        const fold = crawlingCounters.fold?.(tx)
        for (const [index, { isWritten }] of script.entries()) {
          fold?.apply(events[index] as RecordedEvent)
          if (isWritten) fold?.write()
        }
        fold?.write()
      })
      const oneByOne = rowsAfter((tx) => {
        for (const each of events) crawlingCounters.apply(each, tx)
      })
      expect(together).toEqual(oneByOne)
    }),
  ))
