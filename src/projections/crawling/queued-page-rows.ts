import type { CrawlInput } from '../../commands/crawling/requests.ts'
import { type CrawlName, crawlKey } from '../../events/crawling/crawl-key.ts'
import { domainKeyOf, withScheme } from '../../events/crawling/domain-key.ts'
import type { QueuedPage } from '../../events/crawling/page.ts'
import { withoutUserinfo } from '../../events/crawling/userinfo.ts'
import { operationOf } from '../../events/operation.ts'
import { parseInstant } from '../../lib/clock.ts'
import { derivedId } from '../../lib/ids.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'
import type { Tx } from '../projection.ts'
import { countPurged } from './purge-queue.ts'

/** First in, first out among equal priorities: the place in the log, then the place in the event. */
export const sequence = (event: RecordedEvent, index: number): string => `${event.position}.${String(index).padStart(4, '0')}`

/** An input as it was recorded: its defaults may be missing, and of early logs the time and the domain. */
export type RecordedInput = Pick<CrawlInput, 'appid' | 'crawlid' | 'url'> & Partial<CrawlInput>

/** Where the seed of a crawl waits. */
export const queueOfSeed = ({ spiderid = 'link', domain, url }: RecordedInput): { spiderid: string; domain: string } => ({
  spiderid,
  domain: domain ?? domainKeyOf(url),
})

/** A fed crawl queues its seed by its request alone. */
export function seed(event: RecordedEvent, input: RecordedInput, runAt: string | null, tx: Tx): void {
  const { appid, crawlid, priority = 1, maxdepth = 0, domain_max_pages = null, expires = 0 } = input
  const { spiderid, domain } = queueOfSeed(input)
  const key = crawlKey({ spiderid, appid, crawlid })
  const operation = operationOf(event)
  const at = event.recordedAt
  tx.run(
    `INSERT INTO crawls (key, spiderid, appid, crawlid, seeds, pending, maxdepth, domain_max_pages, expires, first_at, last_at, position)
     VALUES (?, ?, ?, ?, 1, 0, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (key) DO UPDATE SET seeds = seeds + 1, maxdepth = excluded.maxdepth, domain_max_pages = excluded.domain_max_pages,
       expires = CASE WHEN excluded.expires > 0 THEN excluded.expires ELSE expires END, last_at = excluded.last_at, completed_at = NULL`,
    key,
    spiderid,
    appid,
    crawlid,
    maxdepth,
    domain_max_pages,
    expires,
    at,
    at,
    event.position,
  )
  if (expires > 0)
    tx.run(
      `INSERT OR REPLACE INTO timers (crawl, spiderid, appid, crawlid, expires) VALUES (?, ?, ?, ?, ?)`,
      key,
      spiderid,
      appid,
      crawlid,
      expires,
    )
  tx.run(
    `INSERT INTO jobs (operation, crawl, state, pending, fetched, failed, dropped, purged) VALUES (?, ?, 'pending', 0, 0, 0, 0, 0)`,
    operation,
    key,
  )
  const id = derivedId('seed', operation)
  const notBefore = runAt === null ? 0 : Math.max(parseInstant(runAt), 0)
  tx.run(
    `INSERT INTO pages (id, operation, crawl, spiderid, domain, url, depth, priority, seed, state, seq, not_before, queued_at)
     VALUES (?, ?, ?, ?, ?, ?, 0, ?, 1, 'queued', ?, ?, ?)`,
    id,
    operation,
    key,
    spiderid,
    domain,
    withoutUserinfo(withScheme(input.url)),
    priority,
    sequence(event, 0),
    notBefore,
    at,
  )
}

/** Whose page an event of a page is about. */
export type Owner = CrawlName & { readonly operation: string }

/** Queues followed links for the worker `holder`, '' for any; null where their operation was cancelled meanwhile. */
export function queueLinks(
  tx: Tx,
  event: RecordedEvent,
  owner: Owner & { readonly pages: readonly QueuedPage[] },
  holder: string | null,
): void {
  const { operation, spiderid, crawlid, pages } = owner
  const key = crawlKey(owner)
  /** How many there are of each domain. A page that is there already came with an append that was made twice, or with a lost fetch. */
  const domains = new Map<string, number>()
  for (const [index, page] of pages.entries()) {
    const isNew = tx.get(
      `INSERT OR IGNORE INTO pages (id, operation, crawl, spiderid, domain, url, fingerprint, depth, priority, referer, seed, state, holder, seq, not_before, queued_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, 0, ?) RETURNING 1`,
      page.id,
      operation,
      key,
      spiderid,
      page.domain,
      page.url,
      page.fingerprint,
      page.depth,
      page.priority,
      page.referer,
      holder === null ? 'purged' : 'queued',
      holder ?? '',
      sequence(event, index),
      event.recordedAt,
    )
    if (isNew !== undefined) domains.set(page.domain, (domains.get(page.domain) ?? 0) + 1)
  }
  for (const [domain, n] of domains) {
    tx.run(
      `INSERT INTO page_counts (spiderid, crawlid, domain, n) VALUES (?, ?, ?, ?)
       ON CONFLICT (spiderid, crawlid, domain) DO UPDATE SET n = n + excluded.n`,
      spiderid,
      crawlid,
      domain,
      n,
    )
    if (holder === null) {
      countPurged(tx, key, domain, n)
      tx.run(`UPDATE jobs SET purged = purged + ? WHERE operation = ?`, n, operation)
    } else countQueued(tx, { key, operation, spiderid, domain }, n)
  }
}

function countQueued(
  tx: Tx,
  of: { readonly key: string; readonly operation: string; readonly spiderid: string; readonly domain: string },
  n: number,
): void {
  tx.run(
    `INSERT INTO crawl_counts (crawl, domain, queued, fetching, purged) VALUES (?, ?, ?, 0, 0)
     ON CONFLICT (crawl, domain) DO UPDATE SET queued = queued + excluded.queued`,
    of.key,
    of.domain,
    n,
  )
  tx.run(
    `INSERT INTO queues (spiderid, domain, backlog) VALUES (?, ?, ?)
     ON CONFLICT (spiderid, domain) DO UPDATE SET backlog = backlog + excluded.backlog`,
    of.spiderid,
    of.domain,
    n,
  )
  tx.run(`UPDATE jobs SET pending = pending + ? WHERE operation = ?`, n, of.operation)
  tx.run(`UPDATE crawls SET pending = pending + ? WHERE key = ?`, n, of.key)
}
