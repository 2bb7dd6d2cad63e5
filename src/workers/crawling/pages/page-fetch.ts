import { type FreshMemory, type PageOutcome, sameMemory } from '../../../commands/crawling/page.ts'
import type { CrawlInput } from '../../../commands/crawling/requests.ts'
import type { CrawlingSettings } from '../../../commands/crawling/settings.ts'
import { habitsOf } from '../../../commands/crawling/spiders.ts'
import { domainKeyOf } from '../../../events/crawling/domain-key.ts'
import type { FailureReason, QueuedPage } from '../../../events/crawling/page.ts'
import { withoutUserinfo } from '../../../events/crawling/userinfo.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { JsonObject } from '../../../lib/json.ts'
import type { NextPage } from '../../../projections/crawling/queue-queries.ts'
import type { Blobs } from '../../../stores/blobs.ts'
import { createTargets } from '../../outbound/address-guard.ts'
import { type Connections, createConnections } from '../../outbound/connections.ts'
import { RequestFailed } from '../../outbound/request-failure.ts'
import { crawlHeaders, defaultUserAgent, type FetchedPage, fetchPage } from '../fetch/fetch.ts'
import { createRedirectMemory, joinedCookies } from '../fetch/redirect-memory.ts'
import { createRobots } from '../fetch/robots.ts'
import { refererFor, shownHeaders, siteSecrets } from '../fetch/site-secrets.ts'
import { fingerprint } from '../links/canonical-url.ts'
import type { Candidate, CrawlLimits, LinkTests, Tested } from '../links/link-tests.ts'
import { listedLinks, pageLinks } from '../links/page-links.ts'
import { isWebAddress, withoutFragment, writtenAddress } from '../links/web-address.ts'
import { itemDocument } from './item-document.ts'
import type { PageReading } from './page-reading.ts'
import { createReadingPool, ReadingFailed, type ReadPage } from './reading-pool.ts'

/** What becomes of a fetched page; `release` as in `Tested`. */
export interface PageResult {
  readonly outcome: PageOutcome
  readonly found: readonly QueuedPage[]
  readonly memory: FreshMemory
  release(): void
}

const redirectCodes = new Set([301, 302, 303, 307, 308])
const retriedCodes = new Set([408, 500, 502, 503, 504, 522, 524])
/** What a retry loses of its priority. */
const priorityStep = 10

/** A page that was lost is always fetched once more: most often its process was stopped for other reasons. */
const leastLost = 1

/** What the fetch of a page needs of its crawl. */
export interface FetchOrder {
  readonly input: CrawlInput
  /** The crawl's `LinkLists` as JSON. */
  readonly lists: string
  /** Records links before the page's outcome, and resolves when the view shows them. */
  readonly queue: (links: Pick<PageResult, 'found' | 'memory'>) => Promise<void>
  readonly signal: AbortSignal
}

const remedies = {
  linkLocal: 'crawls are not allowed to fetch from it (CRAWLING_ALLOW_LINK_LOCAL)',
  private: 'crawls are not allowed to fetch from it (CRAWLING_ALLOW_PRIVATE)',
}

/** Fetches one page and decides what becomes of it. Rejects only when `signal` aborts or a store fails. Source: crawling contract, section 6. */
export const createPageFetcher = ({
  settings,
  connections = createConnections(createTargets({ ...settings, remedies }), settings.proxyFor),
  blobs,
  tests,
  host,
  clock,
  signal: ending,
}: {
  readonly settings: CrawlingSettings
  /** Default: to what the settings allow. */
  readonly connections?: Connections
  readonly blobs: Blobs
  readonly tests: LinkTests
  readonly host: string
  readonly clock: Clock
  /** Ends the threads that read pages, as soon as these have nothing to read. */
  readonly signal: AbortSignal
}) => {
  const pool = createReadingPool({ timeLimitMs: settings.readTimeoutMs, clock, signal: ending })
  const redirects = createRedirectMemory()
  const mayFetch = createRobots({ settings, connections, userAgent: defaultUserAgent, clock })
  return async (page: NextPage, { input, lists, queue, signal }: FetchOrder): Promise<PageResult> => {
    const { spiderid, appid, crawlid } = input
    const habits = habitsOf(spiderid)
    const about = { operation: page.operation, spiderid, appid, crawlid, attempt: page.attempts + 1, host }
    const limits: CrawlLimits = { domainMaxPages: input.domain_max_pages ?? null, expires: input.expires }
    const own = page.fingerprint ?? fingerprint('GET', page.url)
    const address = writtenAddress(page.url)
    const alone = (outcome: PageOutcome): PageResult => ({ outcome, found: [], memory: sameMemory, release: () => {} })

    const failed = (reason: FailureReason, message: string): PageResult =>
      alone({ type: 'PageFetchFailed', data: { ...about, url: page.url, reason, message } })
    const again = (why: { reason?: FailureReason; message?: string; statusCode?: number }): PageResult =>
      alone({
        type: 'PageRetryScheduled',
        data: { ...about, domain: page.domain, priority: page.priority - priorityStep, ...why },
      })

    /** Undefined where the page is sent in a circle: what it says is all that there is. */
    const hop = (fetched: FetchedPage, to: string, via: 'location' | 'refresh'): PageResult | undefined => {
      if (page.redirects >= settings.maxRedirects)
        return failed('too_many_redirects', `more than ${settings.maxRedirects} redirects, the last one to ${to}`)
      const domain = domainKeyOf(to)
      const mark = fingerprint('GET', to)
      const [here, there] = [withoutFragment(address), withoutFragment(to)]
      const way = redirects.follow(page, { here, there, from: fetched.responseUrl, headers: fetched.headers })
      if (way === 'circle') return undefined
      const isSeed = page.seed === 1
      // Sites send their readers to the one form of an address that they know.
      const mayRepeat = isSeed || way === 'through-wall' || mark === own
      const candidate = { url: to, domain, fingerprint: mark, counted: domain !== page.domain, mayRepeat, isSeed }
      const tested = tests.test(input, own, [candidate], limits)
      const reason = tested.verdicts[0] ?? null
      if (reason !== null)
        return {
          outcome: { type: 'PageDropped', data: { ...about, url: to, domain, depth: page.depth, reason } },
          found: [],
          memory: sameMemory,
          release: tested.release,
        }
      const { forgot, forgotCounts, release } = tested
      const redirected = {
        ...about,
        from: page.url,
        to,
        statusCode: fetched.status,
        via,
        domain,
        fingerprint: mark,
        forgot,
        forgotCounts,
      }
      return { outcome: { type: 'PageRedirected', data: redirected }, found: [], memory: sameMemory, release }
    }

    const item = async (fetched: Omit<FetchedPage, 'body'> & { body: Uint8Array }, reading: PageReading): Promise<PageResult> => {
      const test = (candidates: readonly Candidate[]): Tested => tests.test(input, own, candidates, limits)
      const kept = await pageLinks(page, reading, { tests, test, queue, signal })
      const { found, memory, dropped, droppedLinks, release } = kept
      try {
        const document = itemDocument({
          appid,
          crawlid,
          attrs: habits.attrs((input.attrs as JsonObject | undefined) ?? null, page.depth),
          url: address,
          responseUrl: fetched.responseUrl,
          statusCode: fetched.status,
          requestHeaders: shownHeaders(fetched.requestHeaders),
          responseHeaders: fetched.headers,
          encoding: reading.encoding,
          links: listedLinks(reading),
          fetchedAt: clock.now(),
        })
        const [body, described] = await Promise.all([blobs.put(fetched.body), blobs.put(document)])
        return {
          outcome: {
            type: 'PageFetched',
            data: {
              ...about,
              url: address,
              responseUrl: fetched.responseUrl,
              statusCode: fetched.status,
              durationMs: fetched.durationMs,
              bytes: fetched.body.length,
              encoding: reading.encoding,
              item: described.ref,
              body: body.ref,
              linksFound: reading.found,
              linksKept: reading.kept,
              dropped,
              droppedLinks,
              ...(found.length === 0 ? memory : sameMemory),
              ...(reading.linkError === undefined ? {} : { linkError: reading.linkError }),
            },
          },
          found,
          memory,
          release,
        }
      } catch (error) {
        release()
        throw error
      }
    }

    if (page.lost > Math.max(settings.retries, leastLost))
      return failed('lost', `the process that fetched and read the page died ${page.lost} times`)
    pool.prepare()
    if (settings.robotstxt && !(await mayFetch(page.url, input.useragent, signal))) {
      const { url, domain, depth } = page
      return alone({ type: 'PageDropped', data: { ...about, url, domain, depth, reason: 'robotstxt' } })
    }
    const secrets = siteSecrets(input, page.url)
    let fetched: FetchedPage
    try {
      fetched = await fetchPage({
        url: page.url,
        headers: crawlHeaders({
          useragent: input.useragent,
          authorization: secrets.authorization,
          cookie: joinedCookies(secrets.cookie, redirects.cookiesFor(page, page.url)),
          referer: refererFor(page.referer, page.url),
        }),
        timeoutMs: settings.downloadTimeoutMs,
        maxBytes: settings.maxBytes,
        signal,
        connections,
        clock,
      })
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error
      const { reason, message } = error
      return error.retryable && page.retries < settings.retries ? again({ reason, message }) : failed(reason, message)
    }
    const next = redirectCodes.has(fetched.status) ? locationOf(fetched) : null
    const moved = next === null ? undefined : hop(fetched, next, 'location')
    if (moved !== undefined) return moved
    const { body, responseUrl } = fetched
    // A body that is still compressed is not what its type says.
    const contentType = headerOf(fetched, 'content-encoding') === undefined ? headerOf(fetched, 'content-type') : undefined
    const disposition = headerOf(fetched, 'content-disposition')
    const follow = habits.goesOn(page.depth, input.maxdepth) ? habits.chooses() : 'none'
    let read: ReadPage
    try {
      read = await pool.read({ body, contentType, disposition, responseUrl, lists, follow }, signal)
    } catch (error) {
      if (!(error instanceof ReadingFailed)) throw error
      const why = { reason: 'parse', message: error.message } as const
      return error.retryable && page.retries < settings.retries ? again(why) : failed(why.reason, why.message)
    }
    const { refresh } = read.reading
    const refreshed = refresh === null || fingerprint('GET', refresh) === own ? undefined : hop(fetched, refresh, 'refresh')
    if (refreshed !== undefined) return refreshed
    if (retriedCodes.has(fetched.status) && page.retries < settings.retries) return again({ statusCode: fetched.status })
    return item({ ...fetched, body: read.body }, read.reading)
  }
}

const headerOf = ({ headers }: FetchedPage, name: string): string | undefined =>
  headers.find(([header]) => header.toLowerCase() === name)?.[1]

/** Where a redirect leads: bytes outside ASCII as they came, or as text where they stand in the host's name. */
const locationOf = (fetched: FetchedPage): string | null => {
  const { location, responseUrl } = fetched
  if (location === undefined) return null
  return addressOf(location, responseUrl) ?? addressOf(headerOf(fetched, 'location') ?? '', responseUrl)
}

/** An address that a page can be fetched from; null for any other, as those of programs are. */
const addressOf = (text: string, base: string): string | null => {
  const address = URL.parse(text.trim(), base)
  return address !== null && isWebAddress(address.href) ? withoutUserinfo(address.href) : null
}
