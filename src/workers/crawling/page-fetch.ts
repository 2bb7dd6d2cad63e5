import { type FreshMemory, type PageOutcome, sameMemory } from '../../commands/crawling/page.ts'
import type { CrawlInput } from '../../commands/crawling/requests.ts'
import type { CrawlingSettings } from '../../commands/crawling/settings.ts'
import type { DropReason, FailureReason, QueuedPage } from '../../events/crawling/page.ts'
import { withoutUserinfo } from '../../events/crawling/userinfo.ts'
import type { Clock } from '../../lib/clock.ts'
import { domainKeyOf } from '../../lib/domain-key.ts'
import { derivedId } from '../../lib/ids.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { NextPage } from '../../projections/crawling/queue-queries.ts'
import type { Blobs } from '../../stores/blobs.ts'
import { fingerprint } from './canonical-url.ts'
import { contentTypeOf } from './charset.ts'
import { type Connections, createConnections } from './connections.ts'
import { crawlHeaders, type FetchedPage, FetchFailed, fetchPage } from './fetch.ts'
import { itemDocument } from './item.ts'
import type { CrawlLimits, LinkTests, Tested } from './link-tests.ts'
import { createLinkFilter, type ExtractedLinks, extractLinks, type Link } from './links.ts'
import { refererFor, shownHeaders, siteSecrets } from './site-secrets.ts'
import { habitsOf } from './spiders.ts'
import { createTargets } from './targets.ts'

/** What becomes of a fetched page; `release` as in `Tested`. */
export interface PageResult {
  readonly outcome: PageOutcome
  readonly found: readonly QueuedPage[]
  readonly memory: FreshMemory
  release(): void
}

const redirectCodes = new Set([301, 302, 303, 307, 308])
const retriedCodes = new Set([408, 500, 502, 503, 504, 522, 524])
const longestRefreshS = 100
/** What a retry and a followed link lose of their priority. */
const priorityStep = 10
const mostDroppedLinks = 100

/** A crawl's own filter of links, or why none could be made of what was fed. */
export const filterOf = (input: CrawlInput): ReturnType<typeof createLinkFilter> =>
  createLinkFilter({
    allowRegex: input.allow_regex ?? null,
    denyRegex: input.deny_regex ?? null,
    allowedDomains: input.allowed_domains ?? null,
    denyExtensions: input.deny_extensions ?? null,
  })

/** Fetches one page and decides what becomes of it. Rejects only when `signal` aborts or a store fails. Source: crawling contract, section 6. */
export const createPageFetcher =
  ({
    settings,
    connections = createConnections(createTargets(settings)),
    blobs,
    tests,
    host,
    clock,
  }: {
    readonly settings: CrawlingSettings
    /** Default: to what the settings allow. */
    readonly connections?: Connections
    readonly blobs: Blobs
    readonly tests: LinkTests
    readonly host: string
    readonly clock: Clock
  }) =>
  async (
    page: NextPage,
    {
      input,
      filter,
      signal,
    }: { readonly input: CrawlInput; readonly filter: ReturnType<typeof filterOf>; readonly signal: AbortSignal },
  ): Promise<PageResult> => {
    const { spiderid, appid, crawlid } = input
    const about = { operation: page.operation, spiderid, appid, crawlid, attempt: page.attempts + 1, host }
    const limits: CrawlLimits = { domainMaxPages: input.domain_max_pages ?? null, expires: input.expires }
    const own = page.fingerprint ?? fingerprint('GET', page.url)
    const alone = (outcome: PageOutcome): PageResult => ({ outcome, found: [], memory: sameMemory, release: () => {} })

    const failed = (reason: FailureReason, message: string): PageResult =>
      alone({ type: 'PageFetchFailed', data: { ...about, url: page.url, reason, message } })
    const again = (why: { reason?: FailureReason; message?: string; statusCode?: number }): PageResult =>
      alone({
        type: 'PageRetryScheduled',
        data: { ...about, domain: page.domain, priority: page.priority - priorityStep, ...why },
      })

    const hop = (fetched: FetchedPage, to: string, via: 'location' | 'refresh'): PageResult => {
      if (page.redirects >= settings.maxRedirects)
        return failed('too_many_redirects', `more than ${settings.maxRedirects} redirects, the last one to ${to}`)
      const domain = domainKeyOf(to)
      const mark = fingerprint('GET', to)
      const candidate = { url: to, domain, fingerprint: mark, counted: domain !== page.domain }
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

    const item = async (fetched: FetchedPage, extracted: ExtractedLinks): Promise<PageResult> => {
      const habits = habitsOf(spiderid)
      const follows = habits.goesOn(page.depth, input.maxdepth)
      const links = follows && !('error' in filter) ? habits.choose(extracted.links).map(withoutSecrets) : []
      const kept =
        links.length === 0 ? undefined : queueable(page, links, (candidates) => tests.test(input, own, candidates, limits))
      const { found = [] } = kept ?? {}
      const memory = { forgot: kept?.tested.forgot ?? false, forgotCounts: kept?.tested.forgotCounts ?? false }
      try {
        const document = itemDocument({
          appid,
          crawlid,
          attrs: habits.attrs((input.attrs as JsonObject | undefined) ?? null, page.depth),
          url: page.url,
          responseUrl: fetched.responseUrl,
          statusCode: fetched.status,
          requestHeaders: shownHeaders(fetched.requestHeaders),
          responseHeaders: fetched.headers,
          encoding: extracted.encoding,
          links: habits.listed(links),
          fetchedAt: clock.now(),
        })
        const [body, described] = await Promise.all([blobs.put(fetched.body), blobs.put(Buffer.from(JSON.stringify(document)))])
        return {
          outcome: {
            type: 'PageFetched',
            data: {
              ...about,
              url: page.url,
              responseUrl: fetched.responseUrl,
              statusCode: fetched.status,
              durationMs: fetched.durationMs,
              bytes: fetched.body.length,
              encoding: extracted.encoding,
              item: described.ref,
              body: body.ref,
              linksFound: extracted.found,
              linksKept: links.length,
              dropped: kept?.dropped ?? {},
              droppedLinks: kept?.droppedLinks ?? [],
              ...(found.length === 0 ? memory : sameMemory),
              ...(follows && 'error' in filter ? { linkError: filter.error } : {}),
            },
          },
          found,
          memory,
          release: () => kept?.tested.release(),
        }
      } catch (error) {
        kept?.tested.release()
        throw error
      }
    }

    let fetched: FetchedPage
    try {
      fetched = await fetchPage({
        url: page.url,
        headers: crawlHeaders({
          useragent: input.useragent,
          ...siteSecrets(input, page.url),
          referer: refererFor(page.referer, page.url),
        }),
        timeoutMs: settings.downloadTimeoutMs,
        maxBytes: settings.maxBytes,
        signal,
        connections,
        clock,
      })
    } catch (error) {
      if (!(error instanceof FetchFailed)) throw error
      const { reason, message } = error
      return error.retryable && page.retries < settings.retries ? again({ reason, message }) : failed(reason, message)
    }
    const location = redirectCodes.has(fetched.status) ? headerOf(fetched, 'location') : undefined
    const next = location === undefined ? null : addressOf(location, fetched.responseUrl)
    if (next !== null) return hop(fetched, next, 'location')
    const contentType = headerOf(fetched, 'content-type')
    const extracted = extractLinks({
      body: fetched.body,
      contentType,
      responseUrl: fetched.responseUrl,
      ...('error' in filter ? {} : { filter }),
    })
    const refresh = refreshOf(extracted, contentType)
    if (refresh !== null && fingerprint('GET', refresh) !== own) return hop(fetched, refresh, 'refresh')
    if (retriedCodes.has(fetched.status) && page.retries < settings.retries) return again({ statusCode: fetched.status })
    return item(fetched, extracted)
  }

/** User and password that a page writes into its links are neither kept nor sent. */
const withoutSecrets = (link: Link): Link => (link.url.includes('@') ? { ...link, url: withoutUserinfo(link.url) } : link)

const headerOf = ({ headers }: FetchedPage, name: string): string | undefined =>
  headers.find(([header]) => header.toLowerCase() === name)?.[1]

const addressOf = (text: string, base: string): string | null => {
  const address = URL.parse(text.trim(), base)
  if (address === null) return null
  address.hash = ''
  return withoutUserinfo(address.href)
}

/** Only HTML refreshes itself; a page that merely reloads is an item. */
const refreshOf = ({ encoding, metaRefresh }: ExtractedLinks, contentType: string | undefined): string | null => {
  if (encoding === null || metaRefresh === undefined || metaRefresh.delaySeconds > longestRefreshS) return null
  const { mediaType } = contentTypeOf(contentType)
  return mediaType === '' || mediaType.includes('html') ? addressOf(metaRefresh.url, metaRefresh.url) : null
}

interface Queueable {
  readonly tested: Tested
  readonly found: readonly QueuedPage[]
  readonly dropped: Readonly<Record<string, number>>
  readonly droppedLinks: { readonly url: string; readonly reason: DropReason }[]
}

const queueable = (
  page: NextPage,
  links: readonly Link[],
  test: (candidates: readonly { url: string; domain: string; fingerprint: string; counted: boolean }[]) => Tested,
): Queueable => {
  const candidates = links.map(({ url }) => ({
    url,
    domain: domainKeyOf(url),
    fingerprint: fingerprint('GET', url),
    counted: true,
  }))
  const tested = test(candidates)
  const found: QueuedPage[] = []
  const dropped: Record<string, number> = {}
  const droppedLinks: { url: string; reason: DropReason }[] = []
  for (const [index, { url, domain, fingerprint: mark }] of candidates.entries()) {
    const reason = tested.verdicts[index] ?? null
    if (reason === null)
      found.push({
        id: derivedId('link', page.id, page.attempts + 1, mark),
        url,
        fingerprint: mark,
        domain,
        depth: page.depth + 1,
        priority: page.priority - priorityStep,
        referer: page.url,
      })
    else {
      dropped[reason] = (dropped[reason] ?? 0) + 1
      if (reason !== 'duplicate' && droppedLinks.length < mostDroppedLinks) droppedLinks.push({ url, reason })
    }
  }
  return { tested, found, dropped, droppedLinks }
}
