import { parseInstant } from '../../lib/clock.ts'
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
  /** Fetches that ended with the process that was at it. */
  readonly lost: number
  /** Its place among equal priorities, compared as text. */
  readonly seq: string
}

/** An operation as its pages show it. `pending` counts queued and fetching pages; `doomed` says that its crawl was ended. */
export interface Job {
  readonly operation: string
  readonly crawl: string
  readonly state: 'pending' | 'running' | 'retrying' | 'cancelling' | 'ended'
  /** The worker that runs it, '' where none does. */
  readonly holder: string
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

/** Which pages of a queue may be taken. */
export interface Choice {
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly holders: readonly string[]
  readonly without: ReadonlySet<string>
  readonly blocked: ReadonlySet<string>
}

/** What the spider asks of the view `crawling-pages`. Every answer costs the same for ten pages and for a million. */
export const queueQueries = (views: Views) => ({
  /**
   * Highest priority first, then first in first out, of the pages that `holders` hold ('' for those that nobody does); passes
   * over those of `without` (being fetched, or not yet seen here as ended) and of operations that cannot be started now.
   */
  next: (queue: QueueName, { holders, ...choice }: Choice): NextPage | undefined => {
    let best: NextPage | undefined
    for (const holder of holders) {
      const page = nextOf(views, queue, holder, choice)
      if (page !== undefined && (best === undefined || isBefore(page, best))) best = page
    }
    return best
  },

  /** When the earliest page of a queue that must still wait may start, in milliseconds since the epoch. */
  nextDue: ({ spiderid, domain }: QueueName, { now, holders }: Pick<Choice, 'now' | 'holders'>): number | undefined => {
    const dues = holders.map(
      (holder) =>
        views.get<{ due: number | null }>(
          `SELECT MIN(not_before) AS due FROM pages
           WHERE spiderid = ? AND domain = ? AND holder = ? AND state = 'queued' AND not_before > ?`,
          spiderid,
          domain,
          holder,
          now,
        )?.due ?? Number.POSITIVE_INFINITY,
    )
    const due = Math.min(...dues)
    return due === Number.POSITIVE_INFINITY ? undefined : due
  },

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

  /** The first domains in which an operation has queued pages: one step in the index for each. */
  domainsOf: (operation: string, limit: number): string[] =>
    views
      .all<{ domain: string }>(
        `WITH RECURSIVE found (domain) AS (
           SELECT min(domain) FROM pages WHERE operation = ?1 AND state = 'queued'
           UNION ALL
           SELECT (SELECT min(domain) FROM pages WHERE operation = ?1 AND state = 'queued' AND domain > found.domain)
           FROM found WHERE found.domain IS NOT NULL
         )
         SELECT domain FROM found WHERE domain IS NOT NULL LIMIT ?2`,
        operation,
        limit,
      )
      .map(({ domain }) => domain),
  domainsOfCrawl: (crawl: string, limit: number): string[] =>
    views
      .all<{ domain: string }>(
        `SELECT domain FROM crawl_counts WHERE crawl = ? AND queued > 0 ORDER BY domain LIMIT ?`,
        crawl,
        limit,
      )
      .map(({ domain }) => domain),
  isFetching: (operation: string): boolean =>
    views.get(`SELECT 1 FROM pages WHERE operation = ? AND state = 'fetching' LIMIT 1`, operation) !== undefined,
  /** The spider of an operation's crawl, and when the crawl last began or ended a page. */
  crawlOf: (operation: string): { readonly spiderid: string; readonly lastAt: string } | undefined =>
    views.get(
      `SELECT c.spiderid, c.last_at AS lastAt FROM jobs j JOIN crawls c ON c.key = j.crawl WHERE j.operation = ?`,
      operation,
    ),

  job: (operation: string): Job | undefined => views.get<Job>(`SELECT * FROM jobs WHERE operation = ?`, operation),
  /** Operations that must be cancelled because their crawl was stopped or has expired. */
  doomed: (limit: number): { operation: string; crawl: string; doomed: 'stopped' | 'expired' }[] =>
    views.all(
      `SELECT operation, crawl, doomed FROM jobs WHERE doomed IS NOT NULL AND state NOT IN ('ended', 'cancelling') LIMIT ?`,
      limit,
    ),

  /** Fetched pages by status. */
  codesOf: (operation: string): { code: number; n: number }[] =>
    views.all(
      `SELECT status_code AS code, COUNT(*) AS n FROM pages
       WHERE crawl = (SELECT crawl FROM jobs WHERE operation = ?1) AND operation = ?1 AND state = 'fetched' GROUP BY status_code`,
      operation,
    ),

  stopCause: (crawl: string): 'stopped' | 'expired' | undefined =>
    views.get<{ cause: 'stopped' | 'expired' }>(`SELECT cause FROM stop_list WHERE crawl = ?`, crawl)?.cause,
  isBlacklisted: (domain: string): boolean => views.get(`SELECT 1 FROM blacklist WHERE domain = ?`, domain) !== undefined,
  throttleRules: (): ThrottleRule[] => views.all<ThrottleRule>(`SELECT domain, window, hits, scale FROM throttles`),
  /** The rule of a domain in its comparable form; undefined where it has none of its own. */
  throttleRule: (domain: string): ThrottleRule | undefined =>
    views.get<ThrottleRule>(`SELECT domain, window, hits, scale FROM throttles WHERE domain = ?`, domain),
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

  /** When the log recorded a start, and the place that it got there. */
  startOf: (page: string, attempt: number): { at: number; position: string } | undefined => {
    const row = views.get<QueueName & { started_at: string | null }>(
      `SELECT spiderid, domain, started_at FROM pages WHERE id = ?`,
      page,
    )
    if (row === undefined || row.started_at === null) return undefined
    return views.get(
      `SELECT at, position FROM starts WHERE spiderid = ? AND domain = ? AND at = ? AND page = ?`,
      row.spiderid,
      row.domain,
      parseInstant(row.started_at),
      `${page}/${attempt}`,
    )
  },
  /** When the `n`th last start before a place in the log happened, of those between `since` and `until`; `n` counts from 1. */
  startBefore: (
    { spiderid, domain }: QueueName,
    {
      position,
      since,
      until,
      n,
    }: { readonly position: string; readonly since: number; readonly until: number; readonly n: number },
  ): number | undefined =>
    views.get<{ at: number }>(
      `SELECT at FROM starts WHERE spiderid = ? AND domain = ? AND at > ? AND at <= ? AND position < ? ORDER BY at DESC LIMIT 1 OFFSET ?`,
      spiderid,
      domain,
      since,
      until,
      position,
      n - 1,
    )?.at,

  /** When links of a crawlid were last tested; RFC 3339. */
  testedAt: (spiderid: string, crawlid: string): string | undefined =>
    views.get<{ tested_at: string }>(`SELECT tested_at FROM memories WHERE spiderid = ? AND crawlid = ?`, spiderid, crawlid)
      ?.tested_at,
  isSeen: (spiderid: string, crawlid: string, fingerprint: string): boolean =>
    views.get(`SELECT 1 FROM seen WHERE spiderid = ? AND crawlid = ? AND fingerprint = ?`, spiderid, crawlid, fingerprint) !==
    undefined,
  isPage: (id: string): boolean => views.get(`SELECT 1 FROM pages WHERE id = ?`, id) !== undefined,
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
      `SELECT COALESCE(SUM(queued), 0) AS n FROM crawl_counts WHERE crawl IN (SELECT key FROM crawls WHERE appid = ? AND completed_at IS NULL)`,
      appid,
    )?.n ?? 0,

  /** How many pages a stop (by its operation) or an expiry (by its event) took out of the queue. */
  purged: (id: string): number | undefined => views.get<{ total: number }>(`SELECT total FROM purges WHERE id = ?`, id)?.total,
  /** The timer that runs out next. `expires` is in seconds since the epoch. */
  nextTimer: (): { spiderid: string; appid: string; crawlid: string; expires: number } | undefined =>
    views.get(`SELECT spiderid, appid, crawlid, expires FROM timers ORDER BY expires, crawl LIMIT 1`),
})
export type QueueQueries = ReturnType<typeof queueQueries>

const isBefore = (one: NextPage, other: NextPage): boolean =>
  one.priority > other.priority || (one.priority === other.priority && one.seq < other.seq)

const queued = `SELECT id, operation, crawl, spiderid, domain, url, fingerprint, depth, priority, referer, seed, attempts, retries, redirects, lost, seq
  FROM pages WHERE spiderid = ? AND domain = ? AND holder = ? AND state = 'queued' AND not_before <= ?`
const firstQueued = `${queued} ORDER BY priority DESC, seq LIMIT 1`
const firstAllowed = `${queued} AND id NOT IN (SELECT value FROM json_each(?)) AND operation NOT IN (SELECT value FROM json_each(?))
  ORDER BY priority DESC, seq LIMIT 1`

/** Tries the first page (7 µs). Only if that one is busy or blocked, queries again with those excluded (20 µs). */
const nextOf = (
  views: Views,
  { spiderid, domain }: QueueName,
  holder: string,
  { now, without, blocked }: Omit<Choice, 'holders'>,
): NextPage | undefined => {
  const first = views.get<NextPage>(firstQueued, spiderid, domain, holder, now)
  if (first === undefined || !(without.has(first.id) || blocked.has(first.operation))) return first
  const [pages, operations] = [JSON.stringify([...without]), JSON.stringify([...blocked])]
  return views.get<NextPage>(firstAllowed, spiderid, domain, holder, now, pages, operations)
}
