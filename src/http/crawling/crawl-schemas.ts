import { z } from 'zod'
import { FeedError, feedClasses } from '../../events/crawling/feed.ts'
import { answerStates } from '../../projections/crawling/answers.ts'

/** What the routes under `/v1/crawls` answer, for the OpenAPI document. */

const time = z.string().meta({ format: 'date-time' })
const count = z.number().int()
const counts = z.record(z.string(), count)
const name = { spiderid: z.string(), appid: z.string(), crawlid: z.string() }

export const crawlStates = ['active', 'idle', 'stopped', 'expired'] as const
export const pageStates = ['queued', 'fetching', 'fetched', 'failed', 'dropped', 'purged'] as const

export const CrawlSchema = z
  .object({
    key: z.string().meta({ description: 'Identifies the crawl in paths and, after `crawl-`, in the references of operations' }),
    ...name,
    state: z.enum(crawlStates),
    seeds: count,
    maxdepth: count,
    domainMaxPages: count.nullable(),
    expires: count.meta({ description: 'Seconds since the epoch, 0 for never' }),
    queued: count,
    fetching: count,
    purged: count,
    fetched: counts.meta({ description: 'Pages by status code' }),
    failed: counts.meta({ description: 'Pages by reason' }),
    dropped: counts.meta({ description: 'Links that were not followed, by reason' }),
    firstActivityAt: time,
    lastActivityAt: time,
    completedAt: time.nullable().meta({ description: 'When the last queued or in-flight page was done' }),
    waitingFor: z
      .object({ reason: z.enum(['worker', 'limit']), detail: z.string(), since: time, until: time.nullable() })
      .nullable()
      .meta({ description: 'Why its queued pages are not fetched now: an unknown spider, the throttle or the blacklist' }),
  })
  .meta({ id: 'Crawl' })

export const PageSchema = z
  .object({
    id: z.string(),
    operation: z.string(),
    url: z.string(),
    responseUrl: z.string().nullable(),
    domain: z.string(),
    depth: count,
    priority: count,
    state: z.enum(pageStates),
    reason: z.string().nullable(),
    message: z.string().nullable(),
    attempts: count,
    statusCode: count.nullable(),
    durationMs: z.number().nullable(),
    bytes: count.nullable(),
    referer: z.string().nullable(),
    hasItem: z.boolean().meta({ description: 'Whether /v1/crawls/items/{id} has an item of this id' }),
    queuedAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
  })
  .meta({ id: 'CrawlPage' })

export const ItemEntrySchema = z
  .object({
    id: z.string(),
    operation: z.string(),
    ...name,
    url: z.string(),
    responseUrl: z.string(),
    statusCode: count,
    encoding: z.string().nullable(),
    bytes: count,
    at: time,
  })
  .meta({ id: 'CrawledItemEntry' })

const headers = z.record(z.string(), z.array(z.string()))
export const ItemSchema = z
  .object({
    appid: z.string(),
    crawlid: z.string(),
    attrs: z.record(z.string(), z.json()).nullable(),
    url: z.string(),
    response_url: z.string(),
    status_code: count,
    status_msg: z.literal('OK'),
    request_headers: headers,
    response_headers: headers,
    body: z.string(),
    body_base64: z.boolean().optional(),
    encoding: z.string().nullable(),
    links: z.array(z.object({ url: z.string(), text: z.string() })),
    timestamp: z.string(),
  })
  .meta({ id: 'CrawledItem' })

export const RejectionSchema = z
  .object({
    id: z.string(),
    nearestClass: z.enum(feedClasses).nullable(),
    errors: z.array(FeedError),
    payload: z.json(),
    truncated: z.boolean().meta({ description: 'The payload is too large to show: this is the beginning of its text' }),
    principal: z.string(),
    rejectedAt: time,
  })
  .meta({ id: 'FeedRejection' })

export const AnswerSchema = z
  .object({
    id: z.string().meta({ description: 'The operation, or the rejection where `kind` is null' }),
    uuid: z.string(),
    kind: z.string().nullable(),
    state: z.enum(answerStates),
    reason: z.string().nullable(),
    request: z.json(),
    requestedAt: time,
    answeredAt: time.nullable(),
    takenAt: time.nullable(),
  })
  .meta({ id: 'PendingAnswer' })

export const StopSchema = z
  .object({
    key: z.string(),
    ...name,
    cause: z.enum(['stopped', 'expired']),
    at: time,
    uuid: z.string().nullable(),
    operation: z.string().nullable(),
    purged: count.nullable(),
  })
  .meta({ id: 'StoppedCrawl' })

export const TimerSchema = z
  .object({ key: z.string(), ...name, expires: count.meta({ description: 'Seconds since the epoch' }) })
  .meta({ id: 'CrawlTimer' })

export const QueueSchema = z
  .object({
    spiderid: z.string(),
    domain: z.string(),
    backlog: count,
    blacklisted: z.boolean(),
    nextStartAt: time
      .nullable()
      .meta({ description: 'The earliest start that throttle and blacklist permit; null while the domain is held' }),
  })
  .meta({ id: 'CrawlQueue' })

const asked = { appid: z.string(), uuid: z.string(), at: time }
export const DomainRuleSchema = z
  .object({
    domain: z.string(),
    throttle: z
      .object({ window: count, hits: count, scale: z.number(), effectiveHits: count, ...asked })
      .nullable()
      .meta({ description: '`window` in seconds' }),
    blacklisted: z.object(asked).nullable(),
  })
  .meta({ id: 'DomainRule' })

const windowed = z
  .record(z.string(), counts)
  .meta({ description: 'By window in seconds and `lifetime`; a window at zero is absent' })
export const CountersSchema = z
  .object({
    incoming: windowed,
    monitor: windowed,
    fetches: z.array(z.object({ spiderid: z.string(), host: z.string(), code: z.string(), counts })),
  })
  .meta({ id: 'CrawlCounters' })

export const ClusterStatusSchema = z
  .object({
    kafkaConnected: z.boolean().nullable().meta({ description: 'Null with `asOf`, as the other members about the process' }),
    redisConnected: z.boolean().nullable(),
    nodeHealth: z.enum(['GREEN', 'YELLOW', 'RED']).nullable(),
    myId: z.string(),
    uptimeMs: count.nullable(),
    queued: count,
    fetching: count,
    workers: z.array(z.object({ id: z.string(), host: z.string(), kinds: z.array(z.string()) })).nullable(),
  })
  .meta({ id: 'CrawlStatus' })
