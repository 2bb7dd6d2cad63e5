import { crawlEvents } from '../../events/crawling/crawl.ts'
import { pageEvents } from '../../events/crawling/page.ts'
import { operationEvents, operationPrefix } from '../../events/operation.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'
import { type Fold, on, type Projection, type Tx, type Views } from '../projection.ts'
import { bucketMs, counterTables } from './counter-tables.ts'

/** Lengths of the rolling windows in seconds. Source: crawling contract, section 5.6. */
export const windowsS = [900, 3600, 21_600, 43_200, 86_400, 604_800] as const

/** What counts a request at the entrance and what counts it in the works behind, by kind of operation. */
const plugins: Readonly<Record<string, { readonly incoming: string; readonly monitor?: string }>> = {
  'crawling.crawl': { incoming: 'ScraperHandler' },
  'crawling.info': { incoming: 'ActionHandler', monitor: 'InfoMonitor' },
  'crawling.stop': { incoming: 'ActionHandler', monitor: 'StopMonitor' },
  'crawling.stats': { incoming: 'StatsHandler', monitor: 'StatsMonitor' },
  'crawling.zookeeper': { incoming: 'ZookeeperHandler', monitor: 'ZookeeperMonitor' },
}
/** Failures of requests that nothing can answer are the client's, not the monitor's. */
const unanswerable = 'unanswerable'
/** What the original counts where no response came. A fetch whose process died has no outcome, is begun again and counts then. */
const noResponseCode = '504'

/**
 * How often what happened: requests taken in (`incoming`), worked on (`monitor`) and fetches by spider, host and status
 * (`fetch`), in buckets and over the whole life. Buckets older than the longest window go when new ones come.
 */
export const crawlingCounters: Projection = {
  name: 'crawling-counters',
  version: 1,
  filter: { streamPrefixes: ['operation-', 'page-', 'crawl-', 'feed-'] },
  kinds: Object.keys(plugins),
  schema: [
    `CREATE TABLE lifetimes (
      kind TEXT NOT NULL, name TEXT NOT NULL, host TEXT NOT NULL, code TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (kind, name, host, code)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE buckets (
      kind TEXT NOT NULL, name TEXT NOT NULL, host TEXT NOT NULL, code TEXT NOT NULL, at INTEGER NOT NULL, n INTEGER NOT NULL,
      PRIMARY KEY (kind, name, host, code, at)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE monitored (operation TEXT PRIMARY KEY) STRICT, WITHOUT ROWID`,
  ],
  apply: (event, tx) => {
    const { apply, write } = counting(tx)
    apply(event)
    write()
  },
  fold: (tx) => counting(tx),
}

const counting = (tx: Tx): Fold => {
  const { count, write, forget } = counterTables(tx)

  const forgetOperation = (stream: string): void => tx.run(`DELETE FROM monitored WHERE operation = ?`, stream)

  const failed = ({ stream, recordedAt }: RecordedEvent): void => {
    if (tx.get(`SELECT 1 FROM monitored WHERE operation = ?`, stream) === undefined) return
    count(recordedAt, { kind: 'monitor', name: 'fail' })
    forgetOperation(stream)
  }

  const fetched = (
    { recordedAt }: RecordedEvent,
    { spiderid, host }: { readonly spiderid: string; readonly host: string },
    code: string,
  ): void => count(recordedAt, { kind: 'fetch', name: spiderid, host, code })

  const fromOperations = on(operationEvents, {
    OperationRequested: ({ stream, data, recordedAt }) => {
      const plugin = plugins[data.kind]
      if (plugin === undefined) return
      count(recordedAt, { kind: 'incoming', name: 'total' })
      count(recordedAt, { kind: 'incoming', name: plugin.incoming })
      if (plugin.monitor === undefined) return
      count(recordedAt, { kind: 'monitor', name: 'total' })
      count(recordedAt, { kind: 'monitor', name: plugin.monitor })
      tx.run(`INSERT OR IGNORE INTO monitored (operation) VALUES (?)`, stream)
    },
    OperationSucceeded: ({ stream }) => forgetOperation(stream),
    OperationCancelled: ({ stream }) => forgetOperation(stream),
    OperationTimedOut: failed,
    OperationFailed: (event) => (event.data.error.type === unanswerable ? forgetOperation(event.stream) : failed(event)),
  })
  const fromPages = on(pageEvents, {
    PageFetched: (event) => fetched(event, event.data, String(event.data.statusCode)),
    PageRedirected: (event) => fetched(event, event.data, String(event.data.statusCode)),
    PageRetryScheduled: (event) => fetched(event, event.data, String(event.data.statusCode ?? noResponseCode)),
    PageFetchFailed: (event) => fetched(event, event.data, noResponseCode),
  })
  const fromCrawls = on(crawlEvents, {
    CrawlExpired: ({ recordedAt }) => {
      count(recordedAt, { kind: 'monitor', name: 'total' })
      count(recordedAt, { kind: 'monitor', name: 'ExpireMonitor' })
    },
  })

  return {
    apply: (event) => {
      if (event.stream.startsWith(operationPrefix)) fromOperations(event, tx)
      else if (event.stream.startsWith('page-')) fromPages(event, tx)
      else if (event.type === 'FeedRejected') {
        count(event.recordedAt, { kind: 'incoming', name: 'total' })
        count(event.recordedAt, { kind: 'incoming', name: 'fail' })
      } else fromCrawls(event, tx)
    },
    // There are a few hundred counters at most, however much is counted.
    relieve: () => {},
    write,
    discard: forget,
    find: () => undefined,
  }
}

/** Counts by window (`"900"` … `"604800"`, seconds) and `lifetime`; a window at zero is absent. */
export type WindowCounts = Readonly<Record<string, number>>

export interface FetchCounter {
  readonly spiderid: string
  readonly host: string
  readonly code: string
}

/** Queries of the view `crawling-counters`. `now` is milliseconds since the epoch. */
export const counterQueries = (views: Views) => {
  const windows = (where: string, values: readonly string[], now: number): WindowCounts => {
    const sums: Record<string, number> = {}
    const lifetime = views.get<{ n: number | null }>(`SELECT SUM(n) AS n FROM lifetimes WHERE ${where}`, ...values)?.n ?? 0
    if (lifetime === 0) return sums
    for (const windowS of windowsS) {
      const from = Math.floor((now - windowS * 1000) / bucketMs)
      const n =
        views.get<{ n: number | null }>(`SELECT SUM(n) AS n FROM buckets WHERE ${where} AND at >= ?`, ...values, from)?.n ?? 0
      if (n > 0) sums[String(windowS)] = n
    }
    return { ...sums, lifetime }
  }
  return {
    /** Counters of the entrance or of the works behind it by name (`total`, `fail`, a plugin); untouched ones are absent. */
    requests: (kind: 'incoming' | 'monitor', now: number): Readonly<Record<string, WindowCounts>> =>
      Object.fromEntries(
        views
          .all<{ name: string }>(`SELECT name FROM lifetimes WHERE kind = ? ORDER BY name`, kind)
          .map(({ name }) => [name, windows(`kind = ? AND name = ?`, [kind, name], now)]),
      ),
    /** Fetches by spider, host and status. */
    fetches: (now: number): readonly (FetchCounter & { readonly counts: WindowCounts })[] =>
      views
        .all<FetchCounter & Record<string, never>>(
          `SELECT name AS spiderid, host, code FROM lifetimes WHERE kind = 'fetch' ORDER BY name, host, code`,
        )
        .map(({ spiderid, host, code }) => ({
          spiderid,
          host,
          code,
          counts: windows(`kind = 'fetch' AND name = ? AND host = ? AND code = ?`, [spiderid, host, code], now),
        })),
    /** Fetches by spider and status, hosts together. */
    bySpider: (now: number): readonly { readonly name: string; readonly code: string; readonly counts: WindowCounts }[] =>
      views
        .all<{ name: string; code: string }>(`SELECT DISTINCT name, code FROM lifetimes WHERE kind = 'fetch' ORDER BY name, code`)
        .map(({ name, code }) => ({
          name,
          code,
          counts: windows(`kind = 'fetch' AND name = ? AND code = ?`, [name, code], now),
        })),
    /** Fetches by host and status, spiders together. */
    byHost: (now: number): readonly { readonly name: string; readonly code: string; readonly counts: WindowCounts }[] =>
      views
        .all<{ name: string; code: string }>(
          `SELECT DISTINCT host AS name, code FROM lifetimes WHERE kind = 'fetch' ORDER BY host, code`,
        )
        .map(({ name, code }) => ({
          name,
          code,
          counts: windows(`kind = 'fetch' AND host = ? AND code = ?`, [name, code], now),
        })),
  }
}
export type CounterQueries = ReturnType<typeof counterQueries>
