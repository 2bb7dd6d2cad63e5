import type { Views } from '../projection.ts'

/** A page that may be fetched next. */
export interface NextPage {
  readonly id: string
  readonly operation: string
  readonly crawl: string
  readonly spiderid: string
  readonly domain: string
  readonly url: string
  readonly fingerprint: string | null
  readonly depth: number
  readonly priority: number
  readonly referer: string | null
  readonly seed: number
  readonly attempts: number
  readonly retries: number
  readonly redirects: number
}

/** An operation as its pages show it. `pending` counts queued and fetching pages; `doomed` says that its crawl was ended. */
export interface Job {
  readonly operation: string
  readonly crawl: string
  readonly state: 'pending' | 'running' | 'retrying' | 'cancelling' | 'ended'
  readonly cancel_reason: string | null
  readonly doomed: 'stopped' | 'expired' | null
  readonly pending: number
  readonly fetched: number
  readonly failed: number
  readonly dropped: number
  readonly purged: number
  readonly failure: string | null
  readonly failure_message: string | null
}

export interface QueueName {
  readonly spiderid: string
  readonly domain: string
}

/** Rules by domain as `comparableDomain` writes it. */
export interface ThrottleRule {
  readonly domain: string
  readonly window: number
  readonly hits: number
  readonly scale: number
}

/** What the spider asks of the view `crawling-pages`. Every answer costs the same for ten pages and for a million. */
export const queueQueries = (views: Views) => ({
  /**
   * Highest priority first, then first in first out; passes over the pages of `without` (being fetched, or not yet seen
   * here as ended) and of operations that cannot be started now.
   */
  next: (
    { spiderid, domain }: QueueName,
    options: { readonly now: number; readonly without: readonly string[]; readonly blocked: readonly string[] },
  ): NextPage | undefined =>
    views.get<NextPage>(
      `SELECT id, operation, crawl, spiderid, domain, url, fingerprint, depth, priority, referer, seed, attempts, retries, redirects
       FROM pages WHERE spiderid = ? AND domain = ? AND state = 'queued' AND not_before <= ?
         AND id NOT IN (SELECT value FROM json_each(?)) AND operation NOT IN (SELECT value FROM json_each(?))
       ORDER BY priority DESC, seq LIMIT 1`,
      spiderid,
      domain,
      options.now,
      JSON.stringify(options.without),
      JSON.stringify(options.blocked),
    ),

  /** When the earliest page of a queue that must still wait may start, in milliseconds since the epoch. */
  nextDue: ({ spiderid, domain }: QueueName, now: number): number | undefined =>
    views.get<{ due: number | null }>(
      `SELECT MIN(not_before) AS due FROM pages WHERE spiderid = ? AND domain = ? AND state = 'queued' AND not_before > ?`,
      spiderid,
      domain,
      now,
    )?.due ?? undefined,

  /** Every queue of a spider with something in it. */
  queues: (spiderid: string): QueueName[] =>
    views.all<QueueName & Record<string, never>>(
      `SELECT spiderid, domain FROM queues WHERE spiderid = ? AND backlog > 0 ORDER BY domain`,
      spiderid,
    ),

  /** The queues of a domain as rules write it, which has no trailing dot. */
  queuesNear: (spiderid: string, domain: string): QueueName[] =>
    views.all<QueueName & Record<string, never>>(
      `SELECT spiderid, domain FROM queues WHERE spiderid = ? AND domain IN (?, ?) AND backlog > 0`,
      spiderid,
      domain,
      `${domain}.`,
    ),

  queuesOf: (operation: string): QueueName[] =>
    views.all<QueueName & Record<string, never>>(
      `SELECT DISTINCT spiderid, domain FROM pages WHERE operation = ? AND state = 'queued'`,
      operation,
    ),

  job: (operation: string): Job | undefined => views.get<Job>(`SELECT * FROM jobs WHERE operation = ?`, operation),
  /** Operations that must be cancelled because their crawl was stopped or has expired. */
  doomed: (limit: number): { operation: string; doomed: 'stopped' | 'expired' }[] =>
    views.all(
      `SELECT operation, doomed FROM jobs WHERE doomed IS NOT NULL AND state NOT IN ('ended', 'cancelling') LIMIT ?`,
      limit,
    ),

  /** Fetched pages by status. */
  codesOf: (operation: string): { code: number; n: number }[] =>
    views.all(
      `SELECT status_code AS code, COUNT(*) AS n FROM pages WHERE operation = ? AND state = 'fetched' GROUP BY status_code`,
      operation,
    ),

  stopCause: (crawl: string): 'stopped' | 'expired' | undefined =>
    views.get<{ cause: 'stopped' | 'expired' }>(`SELECT cause FROM stop_list WHERE crawl = ?`, crawl)?.cause,
  isBlacklisted: (domain: string): boolean => views.get(`SELECT 1 FROM blacklist WHERE domain = ?`, domain) !== undefined,
  throttleRules: (): ThrottleRule[] => views.all<ThrottleRule>(`SELECT domain, window, hits, scale FROM throttles`),
  /** Starts since an instant, for a throttle that was not running when they happened. */
  startsSince: (spiderid: string, domain: string, since: number): number[] =>
    views
      .all<{ at: number }>(
        `SELECT at FROM starts WHERE spiderid = ? AND domain = ? AND at > ? ORDER BY at`,
        spiderid,
        domain,
        since,
      )
      .map(({ at }) => at),

  /** When links of a crawlid were last tested; RFC 3339. */
  testedAt: (spiderid: string, crawlid: string): string | undefined =>
    views.get<{ tested_at: string }>(`SELECT tested_at FROM memories WHERE spiderid = ? AND crawlid = ?`, spiderid, crawlid)
      ?.tested_at,
  isSeen: (spiderid: string, crawlid: string, fingerprint: string): boolean =>
    views.get(`SELECT 1 FROM seen WHERE spiderid = ? AND crawlid = ? AND fingerprint = ?`, spiderid, crawlid, fingerprint) !==
    undefined,
  /** Pages of a domain that the crawl queued by following links. */
  pageCount: (spiderid: string, crawlid: string, domain: string): number =>
    views.get<{ n: number }>(
      `SELECT n FROM page_counts WHERE spiderid = ? AND crawlid = ? AND domain = ?`,
      spiderid,
      crawlid,
      domain,
    )?.n ?? 0,
  queuedOfApp: (appid: string): number =>
    views.get<{ n: number }>(
      `SELECT COALESCE(SUM(n), 0) AS n FROM crawl_counts WHERE state = 'queued' AND crawl IN (SELECT key FROM crawls WHERE appid = ? AND pending > 0)`,
      appid,
    )?.n ?? 0,

  /** How many pages a stop (by its operation) or an expiry (by its event) took out of the queue. */
  purged: (id: string): number | undefined => views.get<{ total: number }>(`SELECT total FROM purges WHERE id = ?`, id)?.total,
  /** The timer that runs out next. `expires` is in seconds since the epoch. */
  nextTimer: (): { spiderid: string; appid: string; crawlid: string; expires: number } | undefined =>
    views.get(`SELECT spiderid, appid, crawlid, expires FROM timers ORDER BY expires, crawl LIMIT 1`),
})
export type QueueQueries = ReturnType<typeof queueQueries>
