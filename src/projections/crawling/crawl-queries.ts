import { type CrawlName, crawlKey } from '../../events/crawling/crawl-key.ts'
import { type Any, anyOf, type Keyset, type ListOf, listOf } from '../keyset-list.ts'
import type { SqlValue, Views } from '../projection.ts'
import {
  type CrawlPending,
  type CrawlRecord,
  type CrawlRow,
  type CrawlState,
  crawlSelect,
  type DomainRule,
  type PageRecord,
  type PageRow,
  pageOf,
  type QueueRow,
  type QueueStats,
  type RuleRecord,
  ruleOf,
  ruleSelect,
  type StopRecord,
  type StopRow,
  type TimerRecord,
  type TimerRow,
} from './crawl-rows.ts'

/** What people and programs ask of the view `crawling-pages`. */
export const crawlQueries = (views: Views) => {
  const pendingOf = (key: string): CrawlPending | undefined => {
    const counts = views.all<{ domain: string; n: number }>(
      `SELECT domain, queued AS n FROM crawl_counts WHERE crawl = ? AND queued > 0 ORDER BY domain`,
      key,
    )
    const expires = views.get<{ expires: number }>(`SELECT expires FROM timers WHERE crawl = ?`, key)?.expires ?? null
    const domains = Object.fromEntries(counts.map(({ domain, n }) => [domain, { total: n, ...prioritiesOf(key, domain) }]))
    return { total: counts.reduce((sum, { n }) => sum + n, 0), domains, expires }
  }

  /** The ends of the index for each live operation, of which a crawl has as many as it has seeds under way. */
  const prioritiesOf = (key: string, domain: string): { high_priority: number; low_priority: number } => {
    const end = (which: 'max' | 'min') =>
      `${which}((SELECT ${which}(priority) FROM pages WHERE operation = j.operation AND domain = ?1 AND state = 'queued'))`
    const ends = views.get<{ high: number | null; low: number | null }>(
      `SELECT ${end('max')} AS high, ${end('min')} AS low FROM jobs j WHERE j.crawl = ?2 AND j.state <> 'ended'`,
      domain,
      key,
    )
    return { high_priority: ends?.high ?? 0, low_priority: ends?.low ?? 0 }
  }

  const countsOf = (key: string) => {
    const pages = views.get<{ queued: number; fetching: number; purged: number }>(
      `SELECT coalesce(sum(queued), 0) AS queued, coalesce(sum(fetching), 0) AS fetching, coalesce(sum(purged), 0) AS purged
       FROM crawl_counts WHERE crawl = ?`,
      key,
    ) as { queued: number; fetching: number; purged: number }
    const outcomes = views.all<{ kind: string; label: string; n: number }>(
      `SELECT kind, label, n FROM outcomes WHERE crawl = ? ORDER BY label`,
      key,
    )
    const byLabel = (kind: string) =>
      Object.fromEntries(outcomes.filter((row) => row.kind === kind).map(({ label, n }) => [label, n]))
    return {
      queued: pages.queued,
      fetching: pages.fetching,
      purged: pages.purged,
      fetched: byLabel('fetched'),
      failed: byLabel('failed'),
      dropped: byLabel('dropped'),
    }
  }

  const crawlOf = (row: CrawlRecord): CrawlRow => ({
    key: row.key,
    spiderid: row.spiderid,
    appid: row.appid,
    crawlid: row.crawlid,
    state: row.cause ?? (row.pending > 0 ? 'active' : 'idle'),
    seeds: row.seeds,
    maxdepth: row.maxdepth,
    domainMaxPages: row.domain_max_pages,
    expires: row.expires,
    ...countsOf(row.key),
    firstActivityAt: row.first_at,
    lastActivityAt: row.last_at,
    completedAt: row.completed_at,
  })

  return {
    /** Pending requests of one crawl; zeros for a crawl that was never fed. */
    info: (name: CrawlName): CrawlPending => pendingOf(crawlKey(name)) ?? { total: 0, domains: {}, expires: null },

    /** Pending requests of every crawl of an application that has some, by crawlid. */
    infoOfApp: (appid: string, spiderid: string): Map<string, CrawlPending> => {
      const found = new Map<string, CrawlPending>()
      const crawls = views.all<{ key: string; crawlid: string }>(
        `SELECT key, crawlid FROM crawls WHERE appid = ? AND spiderid = ? AND completed_at IS NULL AND pending > 0 ORDER BY crawlid`,
        appid,
        spiderid,
      )
      for (const { key, crawlid } of crawls) {
        const pending = pendingOf(key)
        if (pending !== undefined && pending.total > 0) found.set(crawlid, pending)
      }
      return found
    },

    /** Backlog per spider and domain, spiders and domains by name. */
    queueStats: (): QueueStats => {
      const spiders = new Map<string, { domain: string; backlog: number }[]>()
      let total = 0
      for (const { spiderid, domain, backlog } of views.all<{ spiderid: string; domain: string; backlog: number }>(
        `SELECT spiderid, domain, backlog FROM queues WHERE backlog > 0 ORDER BY spiderid, domain`,
      )) {
        spiders.set(spiderid, [...(spiders.get(spiderid) ?? []), { domain, backlog }])
        total += backlog
      }
      return {
        total,
        spiders: [...spiders].map(([spiderid, domains]) => ({
          spiderid,
          backlog: domains.reduce((sum, { backlog }) => sum + backlog, 0),
          domains,
        })),
      }
    },

    /** Newest first; the keyset is `[position of the first feed]`. */
    crawls: ({
      spiderid,
      appid,
      crawlid,
      state,
      ...rest
    }: {
      readonly spiderid?: Any
      readonly appid?: Any
      readonly crawlid?: Any
      readonly state?: readonly CrawlState[] | undefined
    } & Keyset): ListOf<CrawlRow> =>
      listOf<CrawlRecord, CrawlRow>(views, {
        select: crawlSelect,
        conditions: [
          anyOf('c.spiderid', spiderid),
          anyOf('c.appid', appid),
          anyOf('c.crawlid', crawlid),
          anyOf(`COALESCE(s.cause, CASE WHEN c.pending > 0 THEN 'active' ELSE 'idle' END)`, state),
        ],
        keys: ['c.position'],
        order: 'DESC',
        keyOf: (row) => [row.position],
        rowOf: crawlOf,
        ...rest,
      }),

    crawl: (key: string): CrawlRow | undefined => {
      const row = views.get<CrawlRecord>(`${crawlSelect} WHERE c.key = ?`, key)
      return row === undefined ? undefined : crawlOf(row)
    },

    /** In the order of their queuing; the keyset is `[number]`. Duplicates have no page. */
    pages: ({
      key,
      state,
      reason,
      ...rest
    }: { readonly key: string; readonly state?: Any; readonly reason?: Any } & Keyset): ListOf<PageRow> =>
      listOf<PageRecord, PageRow>(views, {
        select: `SELECT * FROM pages`,
        conditions: [{ sql: 'crawl = ?', values: [key] }, anyOf('state', state), anyOf('reason', reason)],
        keys: ['number'],
        order: 'ASC',
        keyOf: (row) => [row.number],
        rowOf: pageOf,
        ...rest,
      }),

    /** Newest first; the keyset is `[position]`. */
    stopList: ({
      spiderid,
      appid,
      crawlid,
      cause,
      ...rest
    }: {
      readonly spiderid?: Any
      readonly appid?: Any
      readonly crawlid?: Any
      readonly cause?: Any
    } & Keyset): ListOf<StopRow> =>
      listOf<StopRecord, StopRow>(views, {
        select: `SELECT s.*, p.total FROM stop_list s LEFT JOIN purges p ON p.id = s.operation`,
        conditions: [
          anyOf('s.spiderid', spiderid),
          anyOf('s.appid', appid),
          anyOf('s.crawlid', crawlid),
          anyOf('s.cause', cause),
        ],
        keys: ['s.position'],
        order: 'DESC',
        keyOf: (row) => [row.position],
        rowOf: ({ crawl, spiderid, appid, crawlid, cause, at, uuid, operation, total }) => ({
          key: crawl,
          spiderid,
          appid,
          crawlid,
          cause,
          at,
          uuid,
          operation,
          purged: total,
        }),
        ...rest,
      }),

    /** By due time; the keyset is `[expires, key]`. */
    timers: ({
      spiderid,
      appid,
      crawlid,
      ...rest
    }: { readonly spiderid?: Any; readonly appid?: Any; readonly crawlid?: Any } & Keyset): ListOf<TimerRow> =>
      listOf<TimerRecord, TimerRow>(views, {
        select: `SELECT * FROM timers`,
        conditions: [anyOf('spiderid', spiderid), anyOf('appid', appid), anyOf('crawlid', crawlid)],
        keys: ['expires', 'crawl'],
        order: 'ASC',
        keyOf: (row) => [row.expires, row.crawl],
        rowOf: ({ crawl, ...row }) => ({
          key: crawl,
          spiderid: row.spiderid,
          appid: row.appid,
          crawlid: row.crawlid,
          expires: row.expires,
        }),
        ...rest,
      }),

    /** Queues with a backlog by spider and domain; the keyset is `[spiderid, domain]`. */
    queues: ({ spiderid, domain, ...rest }: { readonly spiderid?: Any; readonly domain?: Any } & Keyset): ListOf<QueueRow> =>
      listOf<QueueRow & Record<string, SqlValue>, QueueRow>(views, {
        select: `SELECT spiderid, domain, backlog FROM queues`,
        conditions: [{ sql: 'backlog > 0', values: [] }, anyOf('spiderid', spiderid), anyOf('domain', domain)],
        keys: ['spiderid', 'domain'],
        order: 'ASC',
        keyOf: (row) => [row.spiderid, row.domain],
        rowOf: ({ spiderid, domain, backlog }) => ({ spiderid, domain, backlog }),
        ...rest,
      }),

    /** Domains that a throttle or the blacklist is set for, by name; the keyset is `[domain]`. */
    domainRules: (keyset: Keyset): ListOf<DomainRule> =>
      listOf<RuleRecord, DomainRule>(views, {
        select: ruleSelect,
        conditions: [],
        keys: ['domain'],
        order: 'ASC',
        keyOf: (row) => [row.domain],
        rowOf: ruleOf,
        ...keyset,
      }),

    /** How many pages are queued and being fetched in all. */
    totals: (): { queued: number; fetching: number } => ({
      queued: views.get<{ n: number }>(`SELECT COALESCE(SUM(backlog), 0) AS n FROM queues`)?.n ?? 0,
      fetching: views.get<{ n: number }>(`SELECT COUNT(*) AS n FROM pages WHERE state = 'fetching'`)?.n ?? 0,
    }),
  }
}
