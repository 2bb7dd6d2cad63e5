import { z } from 'zod'
import { defineEvents, type EventOf } from '../define.ts'

/** Whose page it is. Every event of a page says so, because views read many streams and remember none. */
const owner = { operation: z.string(), spiderid: z.string(), appid: z.string(), crawlid: z.string() }
/** `attempt` counts the starts of the page from 1, retries, redirect hops and what was put off included; it fences late outcomes. */
const attempt = z.number().int().min(1)
/** `host` is the machine that fetched. */
const fetched = { ...owner, attempt, host: z.string() }

/** Why a fetch brought no response, or none that can be used. */
export const failureReasons = [
  'dns',
  'refused',
  'timeout',
  'tls',
  'too_large',
  'unsupported_scheme',
  'lost',
  'target_refused',
  'too_many_redirects',
  'parse',
] as const
export const FailureReason = z.enum(failureReasons)
export type FailureReason = z.infer<typeof FailureReason>

/** Why a link, a redirect hop or a seed was not queued. */
export const dropReasons = [
  'duplicate',
  'domain_page_limit',
  'global_page_limit',
  'crawl_stopped',
  'domain_blacklisted',
  'expired',
  'url_too_long',
  'queue_full',
  'robotstxt',
] as const
export const DropReason = z.enum(dropReasons)
export type DropReason = z.infer<typeof DropReason>

/** `forgot`: the memory of seen addresses had been idle for too long and starts anew here; `forgotCounts`: the same of the page counters. */
const memory = { forgot: z.boolean(), forgotCounts: z.boolean() }

export const QueuedPage = z.object({
  id: z.string(),
  url: z.string(),
  fingerprint: z.string(),
  domain: z.string(),
  depth: z.number().int(),
  priority: z.number().int(),
  referer: z.string().nullable(),
})
export type QueuedPage = z.infer<typeof QueuedPage>

/**
 * One page of a crawl, stream `page-<page id>`. A seed is queued by its operation's `OperationRequested`, a followed link
 * by `PagesQueued` in the stream of the page that links to it. Source: crawling contract, sections 6 and 15.
 */
export const pageEvents = defineEvents('page', {
  PageFetchStarted: z.object({
    ...fetched,
    url: z.string(),
    fingerprint: z.string(),
    domain: z.string(),
    depth: z.number().int(),
    priority: z.number().int(),
    worker: z.string(),
  }),
  /**
   * Another spider's start of the same domain came before this one in the log, and the throttle grants no more: nothing was
   * fetched, and the page goes back to its place in the queue.
   */
  PageFetchPutOff: z.object({ ...fetched, domain: z.string() }),
  /** At most 500 pages an event. The last ones of a page stand in one append with its outcome, those before them in appends of their own. */
  PagesQueued: z.object({
    ...owner,
    ...memory,
    /** The fetch that goes on, where it stands in an append of its own: it may be the last that is known of the page. */
    attempt: attempt.optional(),
    pages: z.array(QueuedPage),
  }),
  /** Back in the queue with a lower priority, after a status that is worth another try or no response at all. */
  PageRetryScheduled: z.object({
    ...fetched,
    domain: z.string(),
    priority: z.number().int(),
    reason: FailureReason.optional(),
    message: z.string().optional(),
    statusCode: z.number().int().optional(),
  }),
  /** The same page goes back into the queue under another address. `via` tells a `Location` from an HTML refresh. */
  PageRedirected: z.object({
    ...fetched,
    from: z.string(),
    to: z.string(),
    statusCode: z.number().int(),
    via: z.enum(['location', 'refresh']),
    domain: z.string(),
    fingerprint: z.string(),
    ...memory,
  }),
  PageFetched: z.object({
    ...fetched,
    url: z.string(),
    responseUrl: z.string(),
    statusCode: z.number().int(),
    durationMs: z.number(),
    bytes: z.number().int(),
    encoding: z.string().nullable(),
    /** Hash of the item document, which is the item without its body. */
    item: z.string(),
    /** Hash of the body's bytes, content encoding removed. */
    body: z.string(),
    linksFound: z.number().int(),
    linksKept: z.number().int(),
    /** How many kept links were not queued, by reason; duplicates are counted here and listed nowhere. */
    dropped: z.record(z.string(), z.number().int()),
    droppedLinks: z.array(z.object({ url: z.string(), reason: DropReason })),
    /** Said by the first `PagesQueued` where links were queued. */
    ...memory,
    /** Why no links were followed although the depth allowed it. */
    linkError: z.string().optional(),
  }),
  /** Nothing more is tried and no item exists. */
  PageFetchFailed: z.object({ ...fetched, url: z.string(), reason: FailureReason, message: z.string() }),
  /** A redirect hop that a filter refused. */
  PageDropped: z.object({ ...fetched, url: z.string(), domain: z.string(), depth: z.number().int(), reason: DropReason }),
})
export type PageEvent = EventOf<typeof pageEvents>
