import { crawlEvents } from '../../events/crawling/crawl.ts'
import { type CrawlName, crawlKey } from '../../events/crawling/crawl-key.ts'
import { domainEvents } from '../../events/crawling/domain.ts'
import { comparableDomain } from '../../events/crawling/domain-key.ts'
import { type FailureReason, pageEvents } from '../../events/crawling/page.ts'
import { operationEvents, operationOf, operationPrefix } from '../../events/operation.ts'
import { parseInstant } from '../../lib/clock.ts'
import { derivedId } from '../../lib/ids.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'
import { on, type Projection, type Tx } from '../projection.ts'
import { pagesSchema } from './pages-schema.ts'
import { purge } from './purge-queue.ts'
import { type Owner, queueLinks, type RecordedInput, seed, sequence } from './queued-page-rows.ts'
import { forget, remember } from './seen-addresses.ts'

/** The kind of the operations whose pages stand here. */
export const crawlKind = 'crawling.crawl'

/** The error of an attempt whose process died. */
const workerLost = 'worker-lost'

/** Starts that a throttle may still ask for; a rule may ask for more by its window. */
const shortestStartMemoryMs = 3_600_000

const fromOperations = on(operationEvents, {
  OperationRequested: (event, tx) => {
    if (event.data.kind === crawlKind) seed(event, event.data.input as RecordedInput, event.data.runAt, tx)
  },
  OperationStarted: (event, tx) => {
    setJob(tx, event, 'running', event.data.worker)
    tx.run(`UPDATE pages SET holder = ? WHERE operation = ? AND state = 'queued'`, event.data.worker, operationOf(event))
  },
  /** A lost or handed-back page is fetched again, at its old place in the queue. */
  OperationAttemptFailed: (event, tx) => {
    setJob(tx, event, 'retrying')
    const lost = event.data.error.type === workerLost ? 1 : 0
    tx.run(
      `UPDATE pages SET state = 'queued', lost = lost + ? WHERE operation = ? AND state = 'fetching'`,
      lost,
      operationOf(event),
    )
    tx.run(
      `UPDATE pages SET holder = '', not_before = ? WHERE operation = ? AND state = 'queued'`,
      parseInstant(event.data.retryAt),
      operationOf(event),
    )
  },
  OperationCancelRequested: (event, tx) => {
    tx.run(
      `UPDATE jobs SET state = 'cancelling', cancel_reason = ? WHERE operation = ?`,
      event.data.reason ?? '',
      operationOf(event),
    )
    settle(tx, event, ['queued'])
  },
  OperationSucceeded: (event, tx) => end(tx, event),
  OperationFailed: (event, tx) => end(tx, event),
  OperationCancelled: (event, tx) => end(tx, event),
  OperationTimedOut: (event, tx) => end(tx, event),
})

const fromPages = on(pageEvents, {
  PageFetchStarted: (event, tx) => {
    const { data, recordedAt } = event
    const id = pageOf(event)
    tx.run(
      `UPDATE pages SET state = 'fetching', attempts = ?, started_at = ?, fingerprint = ? WHERE id = ?`,
      data.attempt,
      recordedAt,
      data.fingerprint,
      id,
    )
    // Followed links are remembered since they were queued.
    if (data.depth === 0) remember(tx, data, [data.fingerprint])
    recordStart(tx, event, data)
    touch(tx, data, recordedAt)
  },
  /** Nothing was fetched: the start does not count, and the page is where it was. */
  PageFetchPutOff: (event, tx) => {
    const { operation, spiderid, domain, attempt } = event.data
    tx.run(`UPDATE pages SET state = 'queued' WHERE id = ?`, pageOf(event))
    const started = tx.get<{ started_at: string }>(`SELECT started_at FROM pages WHERE id = ?`, pageOf(event))
    if (started !== undefined)
      tx.run(
        `DELETE FROM starts WHERE spiderid = ? AND domain = ? AND at = ? AND page = ?`,
        spiderid,
        domain,
        parseInstant(started.started_at),
        `${pageOf(event)}/${attempt}`,
      )
    closeLate(tx, event, operation)
  },
  PagesQueued: (event, tx) => {
    const { data } = event
    const known = tx.get<{ state: string; holder: string }>(
      `SELECT state, holder FROM jobs WHERE operation = ? AND doomed IS NULL`,
      data.operation,
    )
    const open = known?.state === 'running' || known?.state === 'retrying' ? known.holder : null
    test(tx, event, data)
    queueLinks(tx, event, data, open)
    remember(
      tx,
      data,
      data.pages.map(({ fingerprint }) => fingerprint),
    )
  },
  PageRetryScheduled: (event, tx) => {
    const { priority, statusCode = null, reason = null, message = null } = event.data
    tx.run(
      `UPDATE pages SET state = 'queued', retries = retries + 1, priority = ?, seq = ?, status_code = ?, reason = ?, message = ? WHERE id = ?`,
      priority,
      sequence(event, 0),
      statusCode,
      reason,
      message,
      pageOf(event),
    )
    closeLate(tx, event, event.data.operation)
  },
  PageRedirected: (event, tx) => {
    const { data } = event
    test(tx, event, data)
    remember(tx, data, [data.fingerprint])
    tx.run(
      `UPDATE pages SET state = 'queued', redirects = redirects + 1, url = ?, domain = ?, fingerprint = ?, seq = ?, status_code = ? WHERE id = ?`,
      data.to,
      data.domain,
      data.fingerprint,
      sequence(event, 0),
      data.statusCode,
      pageOf(event),
    )
    closeLate(tx, event, data.operation)
  },
  PageFetched: (event, tx) => {
    const { data, recordedAt } = event
    if (data.linksKept > 0) test(tx, event, data)
    tx.run(
      `UPDATE pages SET state = 'fetched', url = ?, response_url = ?, status_code = ?, reason = NULL, message = ?, duration_ms = ?,
         bytes = ?, ended_at = ? WHERE id = ?`,
      data.url,
      data.responseUrl,
      data.statusCode,
      data.linkError ?? null,
      data.durationMs,
      data.bytes,
      recordedAt,
      pageOf(event),
    )
    outcome(tx, data, 'fetched', String(data.statusCode), 1)
    for (const [reason, n] of Object.entries(data.dropped)) dropped(tx, data, reason, n)
    for (const [index, link] of data.droppedLinks.entries()) listDropped(tx, event, link, index)
    complete(tx, crawlKey(data), recordedAt)
  },
  PageFetchFailed: (event, tx) => {
    const { data, recordedAt } = event
    tx.run(
      `UPDATE pages SET state = 'failed', reason = ?, message = ?, ended_at = ? WHERE id = ?`,
      data.reason,
      data.message,
      recordedAt,
      pageOf(event),
    )
    rememberFailure(tx, data.operation, pageOf(event), data.reason, data.message)
    outcome(tx, data, 'failed', data.reason, 1)
    complete(tx, crawlKey(data), recordedAt)
  },
  PageDropped: (event, tx) => {
    const { data, recordedAt } = event
    tx.run(
      `UPDATE pages SET state = 'dropped', url = ?, reason = ?, ended_at = ? WHERE id = ?`,
      data.url,
      data.reason,
      recordedAt,
      pageOf(event),
    )
    dropped(tx, data, data.reason, 1)
    complete(tx, crawlKey(data), recordedAt)
  },
})

const fromCrawls = on(crawlEvents, {
  CrawlStopped: (event, tx) => stop(tx, event, event.data, 'stopped', event.data),
  CrawlExpired: (event, tx) => stop(tx, event, event.data, 'expired', { uuid: null, operation: null }),
})

const fromDomains = on(domainEvents, {
  DomainThrottleSet: ({ data, recordedAt }, tx) =>
    tx.run(
      `INSERT OR REPLACE INTO throttles (domain, window, hits, scale, appid, uuid, at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      comparableDomain(data.domain),
      data.window,
      data.hits,
      data.scale,
      data.appid,
      data.uuid,
      recordedAt,
    ),
  DomainThrottleRemoved: ({ data }, tx) => tx.run(`DELETE FROM throttles WHERE domain = ?`, comparableDomain(data.domain)),
  DomainBlacklisted: ({ data, recordedAt }, tx) =>
    tx.run(
      `INSERT OR REPLACE INTO blacklist (domain, appid, uuid, at) VALUES (?, ?, ?, ?)`,
      comparableDomain(data.domain),
      data.appid,
      data.uuid,
      recordedAt,
    ),
  DomainUnblacklisted: ({ data }, tx) => tx.run(`DELETE FROM blacklist WHERE domain = ?`, comparableDomain(data.domain)),
})

/**
 * Everything about crawls that changes together: pages and their queue, crawls, counts, the stop list, timers, domain rules
 * and the memory of seen addresses. One view, so that a stop and the purge that it means are one transaction.
 */
export const crawlingPages: Projection = {
  name: 'crawling-pages',
  version: 4,
  filter: { streamPrefixes: ['operation-', 'page-', 'crawl-', 'domain-'] },
  kinds: [crawlKind],
  schema: pagesSchema,
  apply: (event, tx) => {
    if (event.stream.startsWith(operationPrefix)) fromOperations(event, tx)
    else if (event.stream.startsWith('page-')) fromPages(event, tx)
    else if (event.stream.startsWith('crawl-')) fromCrawls(event, tx)
    else fromDomains(event, tx)
  },
}

const pageOf = (event: RecordedEvent): string => event.stream.slice('page-'.length)

/** A page that comes back after its operation was cancelled does not wait in the queue. */
function closeLate(tx: Tx, event: RecordedEvent, operation: string): void {
  const job = tx.get<{ state: string }>(`SELECT state FROM jobs WHERE operation = ?`, operation)
  if (job?.state === 'cancelling' || job?.state === 'ended') purge(tx, { operation }, 'queued', event.recordedAt)
}

function setJob(tx: Tx, event: RecordedEvent, state: string, holder = ''): void {
  tx.run(`UPDATE jobs SET state = ?, holder = ? WHERE operation = ?`, state, holder, operationOf(event))
}

function end(tx: Tx, event: RecordedEvent): void {
  setJob(tx, event, 'ended')
  settle(tx, event, ['queued', 'fetching'])
}

function settle(tx: Tx, event: RecordedEvent, states: readonly ('queued' | 'fetching')[]): void {
  const operation = operationOf(event)
  const job = tx.get<{ crawl: string; pending: number }>(`SELECT crawl, pending FROM jobs WHERE operation = ?`, operation)
  if (job === undefined || job.pending === 0) return
  for (const state of states) purge(tx, { operation }, state, event.recordedAt)
  complete(tx, job.crawl, event.recordedAt)
}

function stop(
  tx: Tx,
  event: RecordedEvent,
  name: CrawlName,
  cause: 'stopped' | 'expired',
  { uuid, operation }: { readonly uuid: string | null; readonly operation: string | null },
): void {
  const key = crawlKey(name)
  tx.run(
    `INSERT OR IGNORE INTO stop_list (crawl, spiderid, appid, crawlid, cause, at, uuid, operation, position) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    key,
    name.spiderid,
    name.appid,
    name.crawlid,
    cause,
    event.recordedAt,
    uuid,
    operation,
    event.position,
  )
  tx.run(`DELETE FROM timers WHERE crawl = ?`, key)
  const total = purge(tx, { crawl: key }, 'queued', event.recordedAt)
  // Only pages that are queued now: a seed that is fed later is fetched.
  tx.run(`UPDATE jobs SET doomed = ? WHERE crawl = ? AND state <> 'ended'`, cause, key)
  tx.run(`INSERT OR REPLACE INTO purges (id, crawl, total) VALUES (?, ?, ?)`, operation ?? event.id, key, total)
  complete(tx, key, event.recordedAt)
}

/** Links were tested against the memory: it lives on, or starts anew where it had been idle for too long. */
function test(
  tx: Tx,
  event: RecordedEvent,
  data: CrawlName & { readonly forgot: boolean; readonly forgotCounts: boolean },
): void {
  const { spiderid, crawlid, forgot, forgotCounts } = data
  if (forgot) forget(tx, data)
  if (forgotCounts) tx.run(`DELETE FROM page_counts WHERE spiderid = ? AND crawlid = ?`, spiderid, crawlid)
  tx.run(`INSERT OR REPLACE INTO memories (spiderid, crawlid, tested_at) VALUES (?, ?, ?)`, spiderid, crawlid, event.recordedAt)
}

function recordStart(
  tx: Tx,
  event: RecordedEvent,
  { spiderid, domain, attempt }: { readonly spiderid: string; readonly domain: string; readonly attempt: number },
): void {
  const at = parseInstant(event.recordedAt)
  const rule = tx.get<{ window: number }>(`SELECT window FROM throttles WHERE domain = ?`, comparableDomain(domain))
  const memoryMs = Math.max(shortestStartMemoryMs, (rule?.window ?? 0) * 1000)
  tx.run(`DELETE FROM starts WHERE spiderid = ? AND domain = ? AND at < ?`, spiderid, domain, at - memoryMs)
  tx.run(
    `INSERT OR IGNORE INTO starts (spiderid, domain, at, page, position) VALUES (?, ?, ?, ?, ?)`,
    spiderid,
    domain,
    at,
    `${pageOf(event)}/${attempt}`,
    event.position,
  )
}

/** The error of an operation is its seed's, or else that of the first page that failed. */
function rememberFailure(tx: Tx, operation: string, page: string, reason: FailureReason, message: string): void {
  const first = page === derivedId('seed', operation) ? '' : 'AND failure IS NULL'
  tx.run(`UPDATE jobs SET failed = failed + 1 WHERE operation = ?`, operation)
  tx.run(`UPDATE jobs SET failure = ?, failure_message = ? WHERE operation = ? ${first}`, reason, message, operation)
}

function outcome(tx: Tx, owner: CrawlName, kind: string, label: string, n: number): void {
  tx.run(
    `INSERT INTO outcomes (crawl, kind, label, n) VALUES (?, ?, ?, ?) ON CONFLICT (crawl, kind, label) DO UPDATE SET n = n + excluded.n`,
    crawlKey(owner),
    kind,
    label,
    n,
  )
}

function dropped(tx: Tx, owner: Owner, reason: string, n: number): void {
  tx.run(`UPDATE jobs SET dropped = dropped + ? WHERE operation = ?`, n, owner.operation)
  outcome(tx, owner, 'dropped', reason, n)
}

function listDropped(tx: Tx, event: RecordedEvent, link: { readonly url: string; readonly reason: string }, index: number): void {
  tx.run(
    `INSERT INTO pages (id, operation, crawl, spiderid, domain, url, depth, priority, referer, seed, state, seq, not_before, reason, queued_at, ended_at)
     SELECT ?, operation, crawl, spiderid, '', ?, depth + 1, priority - 10, response_url, 0, 'dropped', ?, 0, ?, ?, ? FROM pages WHERE id = ?`,
    derivedId('dropped', pageOf(event), index),
    link.url,
    sequence(event, index),
    link.reason,
    event.recordedAt,
    event.recordedAt,
    pageOf(event),
  )
}

function touch(tx: Tx, owner: CrawlName, at: string): void {
  tx.run(`UPDATE crawls SET last_at = ? WHERE key = ?`, at, crawlKey(owner))
}

function complete(tx: Tx, key: string, at: string): void {
  tx.run(`UPDATE crawls SET completed_at = ? WHERE key = ? AND pending = 0 AND completed_at IS NULL`, at, key)
}
