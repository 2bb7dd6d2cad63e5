import { z } from 'zod'
import { defineEvents, type EventOf } from '../define.ts'

const name = { spiderid: z.string(), appid: z.string(), crawlid: z.string() }

/**
 * What was decided about a crawl as a whole, stream `crawl-<key of spiderid, appid and crawlid>`. Both events put it on the
 * stop list for ever and empty its queue. Source: crawling contract, sections 5.3, 5.4 and 6.7.
 */
export const crawlEvents = defineEvents('crawl', {
  /** `operation` is the stop request's. */
  CrawlStopped: z.object({ ...name, operation: z.string(), uuid: z.string() }),
  /** `expires` is the moment that passed, in seconds since the epoch. */
  CrawlExpired: z.object({ ...name, expires: z.number().int() }),
})
export type CrawlEvent = EventOf<typeof crawlEvents>
