import type { CrawlEvent } from '../../events/crawling/crawl.ts'
import { type CrawlName, crawlKey } from '../../events/crawling/crawl-key.ts'
import { type Decider, nothing } from '../decider.ts'

export type CrawlCommand = { readonly name: CrawlName } & (
  | { readonly type: 'StopCrawl'; readonly operation: string; readonly uuid: string }
  | { readonly type: 'ExpireCrawl'; readonly expires: number }
)
/** The last decision. */
export type CrawlState = CrawlEvent | null

/** Stops are permanent and may be repeated: each takes out of the queue what came since. The same one counts once. */
export const crawl: Decider<CrawlCommand, CrawlEvent, CrawlState, never> = {
  category: 'crawl',
  memory: 'last',
  streamOf: (command) => `crawl-${crawlKey(command.name)}`,
  initial: null,
  evolve: (_state, event) => event,
  decide: (command, last) => {
    const { spiderid, appid, crawlid } = command.name
    switch (command.type) {
      case 'StopCrawl': {
        const { operation, uuid } = command
        if (last?.type === 'CrawlStopped' && last.data.operation === operation) return nothing
        return { events: [{ type: 'CrawlStopped', data: { spiderid, appid, crawlid, operation, uuid } }] }
      }
      case 'ExpireCrawl': {
        const { expires } = command
        if (last?.type === 'CrawlExpired' && last.data.expires === expires) return nothing
        return { events: [{ type: 'CrawlExpired', data: { spiderid, appid, crawlid, expires } }] }
      }
    }
  },
}
