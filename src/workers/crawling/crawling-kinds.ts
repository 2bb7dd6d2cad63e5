import type { Logger } from 'pino'
import type { CrawlingSettings } from '../../commands/crawling/settings.ts'
import type { Executor } from '../../commands/execute.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Projections } from '../../projections/projection.ts'
import type { Blobs } from '../../stores/blobs.ts'
import type { EventLog } from '../../stores/event-log.ts'
import type { Leases } from '../../stores/leases.ts'
import type { Work } from '../work.ts'
import { crawlWork } from './kinds/crawl.ts'
import { infoWork } from './kinds/info.ts'
import { statsWork } from './kinds/stats.ts'
import { stopWork } from './kinds/stop.ts'
import { zookeeperWork } from './kinds/zookeeper.ts'
import { createExpiry } from './pages/crawl-timers.ts'
import { createSpider } from './pages/spider.ts'

export interface CrawlingWorksOptions {
  readonly log: EventLog
  readonly executor: Executor
  readonly projections: Projections
  readonly blobs: Blobs
  readonly leases: Leases
  readonly settings: CrawlingSettings
  readonly clock: Clock
  readonly logger: Logger
  /** This process: `id` is what the index of the face shows as `my_id`, `host` the machine's name. */
  readonly node: { readonly id: string; readonly host: string }
  /** Ends spider and timers; to be aborted before the runtime stops. */
  readonly signal: AbortSignal
}

/**
 * Every kind of work of the crawling face. Spider and timers begin when a runtime attaches the scheduler of
 * `crawling.crawl`, which must be after the views were started.
 */
export const crawlingWorks = (options: CrawlingWorksOptions): readonly Work[] => {
  const { settings, clock } = options
  const spider = createSpider(options)
  const expiry = createExpiry(options)
  const crawl = crawlWork({ spider, settings, clock })
  const scheduler: Work['scheduler'] = {
    attach: (start, worker) => {
      spider.attach(start, worker)
      expiry.start(worker)
    },
    wake: spider.wake,
  }
  return [
    { ...crawl, scheduler },
    infoWork(options),
    stopWork(options),
    statsWork(options),
    zookeeperWork(options),
  ] as unknown as readonly Work[]
}
