import type { CrawlingSettings } from '../../../commands/crawling/settings.ts'
import { type CrawlName, crawlKey } from '../../../events/crawling/crawl-key.ts'
import { comparableDomain } from '../../../events/crawling/domain-key.ts'
import type { DropReason } from '../../../events/crawling/page.ts'
import { type Clock, parseInstant } from '../../../lib/clock.ts'
import type { QueueQueries } from '../../../projections/crawling/queue-queries.ts'
import { longestUrl } from './web-address.ts'

/** Something that wants into the queue. A redirect hop within one domain takes no place in the page counter. */
export interface Candidate {
  readonly url: string
  readonly domain: string
  readonly fingerprint: string
  readonly counted: boolean
  /** It may have been fetched before: a seed on its way, or a page that goes through a cookie wall. */
  readonly mayRepeat?: boolean
  /** A seed that is fed after its crawl was stopped is fetched all the same, wherever it leads. */
  readonly isSeed?: boolean
}

export interface CrawlLimits {
  /** 0 or null for none. */
  readonly domainMaxPages: number | null
  /** Seconds since the epoch, 0 for never. */
  readonly expires: number
}

/** The verdict per candidate, null for those that may be queued. */
export interface Tested {
  readonly verdicts: readonly (DropReason | null)[]
  /** The memory had been idle for too long: it starts anew with these candidates. */
  readonly forgot: boolean
  readonly forgotCounts: boolean
  /** To be called when the view holds the outcome, or when it is certain that there will be none. */
  release(): void
}

export type LinkTests = ReturnType<typeof createLinkTests>

/** What was let through and does not show in the view yet: two pages that end together must not queue one link twice. */
interface Batch {
  readonly fingerprints: Set<string>
  readonly counts: Map<string, number>
  readonly forgot: boolean
  readonly forgotCounts: boolean
}

/**
 * The filters that everything but a seed passes on its way into the queue, in the order of the crawling contract, section 6.5.
 * A test is synchronous, so that no other one comes between its look at the memory and its entry.
 */
export const createLinkTests = ({
  queries,
  settings,
  clock,
}: {
  readonly queries: QueueQueries
  readonly settings: CrawlingSettings
  readonly clock: Clock
}) => {
  const underWay = new Map<string, Set<Batch>>()

  const memoryOf = ({ spiderid, crawlid }: CrawlName, own: string, batches: ReadonlySet<Batch>) => {
    const testedAt = queries.testedAt(spiderid, crawlid)
    const idleMs = testedAt === undefined ? Number.POSITIVE_INFINITY : clock.now() - parseInstant(testedAt)
    const idle = batches.size === 0
    const forgot = idle ? idleMs > settings.duplicateMemoryS * 1000 : [...batches].some((batch) => batch.forgot)
    const forgotCounts = idle ? idleMs > settings.pageMemoryS * 1000 : [...batches].some((batch) => batch.forgotCounts)
    return {
      // Only the first of several batches starts the memory anew.
      forgot: idle && forgot,
      forgotCounts: idle && forgotCounts,
      isSeen: (fingerprint: string): boolean =>
        fingerprint === own ||
        [...batches].some(({ fingerprints }) => fingerprints.has(fingerprint)) ||
        (!forgot && queries.isSeen(spiderid, crawlid, fingerprint)),
      count: (domain: string): number =>
        [...batches].reduce(
          (sum, { counts }) => sum + (counts.get(domain) ?? 0),
          forgotCounts ? 0 : queries.pageCount(spiderid, crawlid, domain),
        ),
    }
  }

  return {
    /** Whether a page with this id was queued, whatever has become of it. */
    wasQueued: queries.isPage,
    /** `own` is the fingerprint of the page that the candidates come from. */
    test: (name: CrawlName, own: string, candidates: readonly Candidate[], { domainMaxPages, expires }: CrawlLimits): Tested => {
      const key = JSON.stringify([name.spiderid, name.crawlid])
      const batches = underWay.get(key) ?? new Set<Batch>()
      const memory = memoryOf(name, own, batches)
      const batch: Batch = {
        fingerprints: new Set(),
        counts: new Map(),
        forgot: memory.forgot,
        forgotCounts: memory.forgotCounts,
      }
      batches.add(batch)
      underWay.set(key, batches)
      const stopCause = queries.stopCause(crawlKey(name))
      const expired = expires > 0 && clock.now() >= expires * 1000
      let room = settings.maxQueued === 0 ? Number.POSITIVE_INFINITY : settings.maxQueued - queries.queuedOfApp(name.appid)

      const overLimit = ({ domain, counted }: Candidate, limit: number | null): boolean =>
        counted && limit !== null && limit > 0 && memory.count(domain) + 1 >= limit

      const verdict = (candidate: Candidate): DropReason | null => {
        if (candidate.url.length > longestUrl) return 'url_too_long'
        if (!candidate.mayRepeat && memory.isSeen(candidate.fingerprint)) return 'duplicate'
        if (overLimit(candidate, domainMaxPages)) return 'domain_page_limit'
        if (overLimit(candidate, settings.globalPageLimit)) return 'global_page_limit'
        if (stopCause !== undefined && !candidate.isSeed) return stopCause === 'stopped' ? 'crawl_stopped' : 'expired'
        if (!settings.backlogBlacklisted && queries.isBlacklisted(comparableDomain(candidate.domain))) return 'domain_blacklisted'
        if (expired) return 'expired'
        if (room < 1) return 'queue_full'
        return null
      }

      const verdicts = candidates.map((candidate) => {
        const reason = verdict(candidate)
        if (reason !== null) return reason
        room--
        batch.fingerprints.add(candidate.fingerprint)
        if (candidate.counted) batch.counts.set(candidate.domain, (batch.counts.get(candidate.domain) ?? 0) + 1)
        return null
      })
      return {
        verdicts,
        forgot: memory.forgot,
        forgotCounts: memory.forgotCounts,
        release: () => {
          batches.delete(batch)
          if (batches.size === 0) underWay.delete(key)
        },
      }
    },
  }
}
