import type { CrawlingSettings } from '../../commands/crawling/settings.ts'
import { spiders } from '../../commands/crawling/spiders.ts'
import { createThrottle } from '../../commands/crawling/throttle.ts'
import { comparableDomain } from '../../events/crawling/domain-key.ts'
import { instant } from '../../lib/clock.ts'
import type { Hold } from '../operations/waiting-for.ts'
import type { Views } from '../projection.ts'
import { type QueueName, queueQueries } from './queue-queries.ts'

/** What keeps the next page of one queue: the blacklist, a throttle that grants nothing, or the throttle until a moment. */
export interface QueueHold {
  readonly blacklisted: boolean
  /** The earliest start in milliseconds since the epoch; Infinity while the domain is held. */
  readonly nextStart: number
  readonly hits: number
  readonly windowMs: number
}

type Throttling = Pick<CrawlingSettings, 'hits' | 'windowS' | 'moderated'>

export interface HoldsOptions {
  readonly views: Views
  readonly settings: Throttling
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** Reckons for a queue what its spider does: the same throttle, filled with the starts that the view remembers. */
export const createQueueHolds = ({ views, settings, now }: HoldsOptions): ((queue: QueueName) => QueueHold) => {
  const queries = queueQueries(views)
  return ({ spiderid, domain }) => {
    const { hits, windowS, moderated } = settings
    const comparable = comparableDomain(domain)
    const throttle = createThrottle({ hits, windowMs: windowS * 1000, moderated, clock: { monotonic: now } })
    const own = queries.throttleRule(comparable)
    if (own !== undefined) throttle.setRule(own.domain, { hits: Math.floor(own.hits * own.scale), windowMs: own.window * 1000 })
    const rule = throttle.ruleOf(domain)
    throttle.restore(domain, queries.startsSince(spiderid, domain, now() - rule.windowMs))
    const blacklisted = queries.isBlacklisted(comparable)
    return { ...rule, blacklisted, nextStart: blacklisted ? Number.POSITIVE_INFINITY : throttle.nextStart(domain) }
  }
}

/** Most domains of one operation that are examined. */
const mostDomains = 100

/** Says why a crawl with queued pages fetches none. */
export const createCrawlHolds = (options: HoldsOptions) => {
  const { views } = options
  const queries = queueQueries(views)
  const holdOf = createQueueHolds(options)

  const ofQueues = (spiderid: string, domains: readonly string[]): Hold | undefined => {
    if (domains.length === 0) return undefined
    if (!spiders.includes(spiderid))
      return {
        reason: 'worker',
        detail: `No worker here runs the spider ${JSON.stringify(spiderid)}. The spiders of this program are ${spiders.join(' and ')}.`,
        until: null,
      }
    const now = options.now()
    let first: { readonly domain: string; readonly hold: QueueHold } | undefined
    for (const domain of domains) {
      const hold = holdOf({ spiderid, domain })
      if (hold.nextStart <= now) return undefined
      if (first === undefined || hold.nextStart < first.hold.nextStart) first = { domain, hold }
    }
    return first === undefined ? undefined : { reason: 'limit', ...reasonOf(first.domain, first.hold) }
  }

  return {
    /** Of an operation of kind `crawling.crawl`; undefined where it fetches, has nothing queued or may start a page now. */
    ofOperation: (operation: string): Hold | undefined => {
      const job = queries.job(operation)
      if (job === undefined || job.pending === 0 || queries.isFetching(operation)) return undefined
      const { spiderid, lastAt } = queries.crawlOf(operation) ?? {}
      if (spiderid === undefined) return undefined
      const hold = ofQueues(spiderid, queries.domainsOf(operation, mostDomains))
      return hold && { ...hold, ...(lastAt === undefined ? {} : { since: lastAt }) }
    },
    /** Of a crawl by its key, none of whose pages is being fetched. */
    ofCrawl: ({ key, spiderid }: { readonly key: string; readonly spiderid: string }): Hold | undefined =>
      ofQueues(spiderid, queries.domainsOfCrawl(key, mostDomains)),
  }
}

const reasonOf = (
  domain: string,
  { blacklisted, nextStart, hits, windowMs }: QueueHold,
): { readonly detail: string; readonly until: string | null } => {
  if (blacklisted) return { detail: `The domain ${domain} is on the blacklist.`, until: null }
  if (!Number.isFinite(nextStart))
    return { detail: `The throttle of the domain ${domain} grants no start (0 hits).`, until: null }
  const until = instant(nextStart)
  const rule = `${hits} ${hits === 1 ? 'start' : 'starts'} in ${windowMs / 1000} s`
  return { detail: `The throttle of the domain ${domain} (${rule}) grants the next start at ${until}.`, until }
}
