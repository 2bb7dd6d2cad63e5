import { crawlEvents } from '../../events/crawling/crawl.ts'
import { pageEvents } from '../../events/crawling/page.ts'
import { operationEvents } from '../../events/operation.ts'
import { parseInstant } from '../../lib/clock.ts'
import { on, type Projection, type Tx, type Views } from '../projection.ts'

/** Lengths of the rolling windows in seconds. Source: crawling contract, section 5.6. */
export const windowsS = [900, 3600, 21_600, 43_200, 86_400, 604_800] as const
const longestWindowMs = 604_800_000
/** A rolling window is a sum of buckets; it may reach back by at most one bucket too far. */
const bucketMs = 10_000

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
    if (event.stream.startsWith('operation-')) fromOperations(event, tx)
    else if (event.stream.startsWith('page-')) fromPages(event, tx)
    else if (event.type === 'FeedRejected') {
      count(tx, event.recordedAt, { kind: 'incoming', name: 'total' })
      count(tx, event.recordedAt, { kind: 'incoming', name: 'fail' })
    } else fromCrawls(event, tx)
  },
}

const fromOperations = on(operationEvents, {
  OperationRequested: ({ stream, data, recordedAt }, tx) => {
    const plugin = plugins[data.kind]
    if (plugin === undefined) return
    count(tx, recordedAt, { kind: 'incoming', name: 'total' })
    count(tx, recordedAt, { kind: 'incoming', name: plugin.incoming })
    if (plugin.monitor === undefined) return
    count(tx, recordedAt, { kind: 'monitor', name: 'total' })
    count(tx, recordedAt, { kind: 'monitor', name: plugin.monitor })
    tx.run(`INSERT OR IGNORE INTO monitored (operation) VALUES (?)`, stream)
  },
  OperationSucceeded: ({ stream }, tx) => forgetOperation(tx, stream),
  OperationCancelled: ({ stream }, tx) => forgetOperation(tx, stream),
  OperationTimedOut: ({ stream, recordedAt }, tx) => failed(tx, stream, recordedAt),
  OperationFailed: ({ stream, data, recordedAt }, tx) =>
    data.error.type === unanswerable ? forgetOperation(tx, stream) : failed(tx, stream, recordedAt),
})

const fromPages = on(pageEvents, {
  PageFetched: ({ data, recordedAt }, tx) => fetched(tx, recordedAt, data, String(data.statusCode)),
  PageRedirected: ({ data, recordedAt }, tx) => fetched(tx, recordedAt, data, String(data.statusCode)),
  PageRetryScheduled: ({ data, recordedAt }, tx) => fetched(tx, recordedAt, data, String(data.statusCode ?? noResponseCode)),
  PageFetchFailed: ({ data, recordedAt }, tx) => fetched(tx, recordedAt, data, noResponseCode),
})

const fromCrawls = on(crawlEvents, {
  CrawlExpired: ({ recordedAt }, tx) => {
    count(tx, recordedAt, { kind: 'monitor', name: 'total' })
    count(tx, recordedAt, { kind: 'monitor', name: 'ExpireMonitor' })
  },
})

interface Counter {
  readonly kind: 'incoming' | 'monitor' | 'fetch'
  readonly name: string
  readonly host?: string
  readonly code?: string
}

function count(tx: Tx, recordedAt: string, { kind, name, host = '', code = '' }: Counter): void {
  const now = parseInstant(recordedAt)
  const bucket = Math.floor(now / bucketMs)
  tx.run(
    `INSERT INTO lifetimes (kind, name, host, code, n) VALUES (?, ?, ?, ?, 1) ON CONFLICT (kind, name, host, code) DO UPDATE SET n = n + 1`,
    kind,
    name,
    host,
    code,
  )
  const known = tx.get(
    `SELECT 1 FROM buckets WHERE kind = ? AND name = ? AND host = ? AND code = ? AND at = ?`,
    kind,
    name,
    host,
    code,
    bucket,
  )
  if (known === undefined) {
    const oldest = Math.floor((now - longestWindowMs) / bucketMs) - 1
    tx.run(`DELETE FROM buckets WHERE kind = ? AND name = ? AND host = ? AND code = ? AND at < ?`, kind, name, host, code, oldest)
  }
  tx.run(
    `INSERT INTO buckets (kind, name, host, code, at, n) VALUES (?, ?, ?, ?, ?, 1)
     ON CONFLICT (kind, name, host, code, at) DO UPDATE SET n = n + 1`,
    kind,
    name,
    host,
    code,
    bucket,
  )
}

function fetched(
  tx: Tx,
  recordedAt: string,
  { spiderid, host }: { readonly spiderid: string; readonly host: string },
  code: string,
): void {
  count(tx, recordedAt, { kind: 'fetch', name: spiderid, host, code })
}

function forgetOperation(tx: Tx, stream: string): void {
  tx.run(`DELETE FROM monitored WHERE operation = ?`, stream)
}

function failed(tx: Tx, stream: string, recordedAt: string): void {
  if (tx.get(`SELECT 1 FROM monitored WHERE operation = ?`, stream) === undefined) return
  count(tx, recordedAt, { kind: 'monitor', name: 'fail' })
  forgetOperation(tx, stream)
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
