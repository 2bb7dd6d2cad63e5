import { type CrawlInput, completeCrawl, crawlInput } from '../../../commands/crawling/requests.ts'
import type { CrawlingSettings } from '../../../commands/crawling/settings.ts'
import { type Clock, dayMs } from '../../../lib/clock.ts'
import { crawlKind } from '../../../projections/crawling/pages.ts'
import type { Work } from '../../work.ts'
import type { Spider } from '../pages/spider.ts'

/** One fed crawl: its seed and all links followed from it. The spider decides when each page is fetched. */
export const crawlWork = ({
  spider,
  settings,
  clock,
}: {
  readonly spider: Spider
  readonly settings: CrawlingSettings
  readonly clock: Clock
}): Work<CrawlInput> => ({
  kind: crawlKind,
  face: 'crawling',
  description:
    'Fetches a page and the pages that it links to, down to a depth, at the rate that the throttles of their domains allow',
  submittable: true,
  input: crawlInput({ now: clock.now, maxDepth: settings.maxDepth }),
  complete: (input) => completeCrawl(input, clock.now()),
  policy: {
    attempts: 1000,
    timeoutMs: 30 * dayMs,
    backoff: { initialMs: 1_000, factor: 2, maxMs: 60_000 },
    whenLost: 'retry',
    // A crawl takes weeks, and its pages count their own lost fetches.
    lostAttempts: 1000,
  },
  scheduler: { attach: spider.attach, wake: spider.wake },
  run: spider.run,
})
