import { type FreshMemory, sameMemory } from '../../../commands/crawling/page.ts'
import type { DropReason, QueuedPage } from '../../../events/crawling/page.ts'
import { derivedId } from '../../../lib/ids.ts'
import type { NextPage } from '../../../projections/crawling/queue-queries.ts'
import type { FoundLink, PageReading } from '../pages/page-reading.ts'
import type { Candidate, LinkTests, Tested } from './link-tests.ts'
import { longestUrl, withoutFragment, writtenAddress } from './web-address.ts'

/** Links that passed the tests; `release` as in `Tested`. */
export interface QueueableLinks {
  readonly found: readonly QueuedPage[]
  readonly memory: FreshMemory
  release(): void
}

/** The links of a page that its outcome queues, and what became of all. */
export interface PageLinks extends QueueableLinks {
  /** How many were not queued, by reason. */
  readonly dropped: Readonly<Record<string, number>>
  readonly droppedLinks: { readonly url: string; readonly reason: DropReason }[]
}

/** What a followed link loses of its page's priority. */
const priorityStep = 10
const mostDroppedLinks = 100

const utf8 = new TextDecoder()

/** The item's list of links, as JSON in UTF-8. */
export const listedLinks = ({ texts, ends }: PageReading): Uint8Array => texts.subarray(0, ends[0])

/**
 * Tests the links of a page and queues all but the last of its lists, each in an append of its own that the view shows before the next
 * is tested. A fetch that was lost may have queued some: these pass once more, under the same ids.
 */
export const pageLinks = async (
  page: NextPage,
  { texts, ends }: PageReading,
  {
    tests,
    test,
    queue,
    signal,
  }: {
    readonly tests: Pick<LinkTests, 'wasQueued'>
    readonly test: (candidates: readonly Candidate[]) => Tested
    readonly queue: (links: QueueableLinks) => Promise<void>
    readonly signal: AbortSignal
  },
): Promise<PageLinks> => {
  const dropped: Record<string, number> = {}
  const droppedLinks: { url: string; reason: DropReason }[] = []
  let last: QueueableLinks = { found: [], memory: sameMemory, release: () => {} }
  for (const [index, end] of ends.entries()) {
    // The first text is the item's.
    if (index === 0) continue
    if (index > 1) await queueAndRelease(last, queue, signal)
    const links = JSON.parse(utf8.decode(texts.subarray(ends[index - 1], end))) as FoundLink[]
    const candidates = links.map(([url, domain, fingerprint]) => ({ url, domain, fingerprint, counted: true }))
    const { verdicts, forgot, forgotCounts, release } = test(candidates)
    const found: QueuedPage[] = []
    for (const [place, { url, domain, fingerprint }] of candidates.entries()) {
      const reason = verdicts[place] ?? null
      const id = derivedId('link', page.id, fingerprint)
      if (reason === null) found.push(queuedPage(page, { id, url, domain, fingerprint }))
      else if (reason !== 'duplicate' || page.attempts === 0 || !tests.wasQueued(id)) {
        dropped[reason] = (dropped[reason] ?? 0) + 1
        if (reason !== 'duplicate' && droppedLinks.length < mostDroppedLinks) droppedLinks.push({ url, reason })
      }
    }
    last = { found, memory: { forgot, forgotCounts }, release }
  }
  return { ...last, dropped, droppedLinks }
}

const queueAndRelease = async (
  links: QueueableLinks,
  queue: (links: QueueableLinks) => Promise<void>,
  signal: AbortSignal,
): Promise<void> => {
  try {
    signal.throwIfAborted()
    if (links.found.length > 0) await queue(links)
  } finally {
    links.release()
  }
}

const queuedPage = (
  { depth, priority, url: from }: NextPage,
  link: Pick<QueuedPage, 'id' | 'url' | 'domain' | 'fingerprint'>,
): QueuedPage => ({
  ...link,
  depth: depth + 1,
  priority: priority - priorityStep,
  // It is recorded with every link.
  referer: from.length > longestUrl ? null : withoutFragment(writtenAddress(from)),
})
