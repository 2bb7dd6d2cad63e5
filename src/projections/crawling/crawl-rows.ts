import type { CrawlName } from '../../events/crawling/crawl-key.ts'

/** Pending requests of one domain. Source: crawling contract, section 5.1. */
export interface DomainPending {
  readonly total: number
  readonly high_priority: number
  readonly low_priority: number
}
/** `expires` is in seconds since the epoch, null without a timer. */
export interface CrawlPending {
  readonly total: number
  readonly domains: Readonly<Record<string, DomainPending>>
  readonly expires: number | null
}

export interface QueueStats {
  readonly total: number
  readonly spiders: readonly {
    readonly spiderid: string
    readonly backlog: number
    readonly domains: readonly { readonly domain: string; readonly backlog: number }[]
  }[]
}

export type CrawlState = 'active' | 'idle' | 'stopped' | 'expired'
export interface CrawlRow {
  readonly key: string
  readonly spiderid: string
  readonly appid: string
  readonly crawlid: string
  readonly state: CrawlState
  readonly seeds: number
  readonly maxdepth: number
  readonly domainMaxPages: number | null
  readonly expires: number
  readonly queued: number
  readonly fetching: number
  readonly fetched: Readonly<Record<string, number>>
  readonly failed: Readonly<Record<string, number>>
  readonly dropped: Readonly<Record<string, number>>
  readonly purged: number
  readonly firstActivityAt: string
  readonly lastActivityAt: string
  readonly completedAt: string | null
}

export interface PageRow {
  readonly id: string
  readonly operation: string
  readonly url: string
  readonly responseUrl: string | null
  readonly domain: string
  readonly depth: number
  readonly priority: number
  readonly state: string
  readonly reason: string | null
  readonly message: string | null
  readonly attempts: number
  readonly statusCode: number | null
  readonly durationMs: number | null
  readonly bytes: number | null
  readonly referer: string | null
  /** Whether an item of this page exists; its id is the page's. */
  readonly hasItem: boolean
  readonly queuedAt: string
  readonly startedAt: string | null
  readonly endedAt: string | null
}

export interface StopRow extends CrawlName {
  readonly key: string
  readonly cause: 'stopped' | 'expired'
  readonly at: string
  readonly uuid: string | null
  readonly operation: string | null
  readonly purged: number | null
}
export interface TimerRow extends CrawlName {
  readonly key: string
  /** Seconds since the epoch. */
  readonly expires: number
}
export interface DomainRule {
  readonly domain: string
  readonly throttle: {
    readonly window: number
    readonly hits: number
    readonly scale: number
    /** `hits × scale`, rounded down; 0 holds the domain. */
    readonly effectiveHits: number
    readonly appid: string
    readonly uuid: string
    readonly at: string
  } | null
  readonly blacklisted: { readonly appid: string; readonly uuid: string; readonly at: string } | null
}

export interface QueueRow {
  readonly spiderid: string
  readonly domain: string
  readonly backlog: number
}

export interface CrawlRecord {
  readonly key: string
  readonly spiderid: string
  readonly appid: string
  readonly crawlid: string
  readonly seeds: number
  readonly pending: number
  readonly maxdepth: number
  readonly domain_max_pages: number | null
  readonly expires: number
  readonly first_at: string
  readonly last_at: string
  readonly completed_at: string | null
  readonly position: string
  readonly cause: 'stopped' | 'expired' | null
}
export const crawlSelect = `SELECT c.*, s.cause FROM crawls c LEFT JOIN stop_list s ON s.crawl = c.key`

export interface PageRecord {
  readonly number: number
  readonly id: string
  readonly operation: string
  readonly url: string
  readonly response_url: string | null
  readonly domain: string
  readonly depth: number
  readonly priority: number
  readonly state: string
  readonly reason: string | null
  readonly message: string | null
  readonly attempts: number
  readonly status_code: number | null
  readonly duration_ms: number | null
  readonly bytes: number | null
  readonly referer: string | null
  readonly queued_at: string
  readonly started_at: string | null
  readonly ended_at: string | null
}

export function pageOf(row: PageRecord): PageRow {
  const { id, operation, url, domain, depth, priority, state, reason, message, attempts, bytes, referer } = row
  return {
    id,
    operation,
    url,
    responseUrl: row.response_url,
    domain,
    depth,
    priority,
    state,
    reason,
    message,
    attempts,
    statusCode: row.status_code,
    durationMs: row.duration_ms,
    bytes,
    referer,
    hasItem: state === 'fetched',
    queuedAt: row.queued_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
  }
}

export interface StopRecord extends CrawlName {
  readonly crawl: string
  readonly cause: 'stopped' | 'expired'
  readonly at: string
  readonly uuid: string | null
  readonly operation: string | null
  readonly total: number | null
  readonly position: string
}
export interface TimerRecord extends CrawlName {
  readonly crawl: string
  readonly expires: number
}

export interface RuleRecord {
  readonly domain: string
  readonly window: number | null
  readonly hits: number
  readonly scale: number
  readonly appid: string
  readonly uuid: string
  readonly at: string
  readonly black_appid: string
  readonly black_uuid: string
  readonly black_at: string | null
}
export const ruleSelect = `SELECT * FROM (
  SELECT d.domain, t.window, t.hits, t.scale, t.appid, t.uuid, t.at, b.appid AS black_appid, b.uuid AS black_uuid, b.at AS black_at
  FROM (SELECT domain FROM throttles UNION SELECT domain FROM blacklist) d
  LEFT JOIN throttles t ON t.domain = d.domain LEFT JOIN blacklist b ON b.domain = d.domain)`

export function ruleOf({ domain, window, hits, scale, appid, uuid, at, ...row }: RuleRecord): DomainRule {
  return {
    domain,
    throttle: window === null ? null : { window, hits, scale, effectiveHits: Math.floor(hits * scale), appid, uuid, at },
    blacklisted: row.black_at === null ? null : { appid: row.black_appid, uuid: row.black_uuid, at: row.black_at },
  }
}
