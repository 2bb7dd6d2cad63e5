import { z } from 'zod'
import { defineEvents, type EventOf } from '../define.ts'
import { feedClasses } from './feed.ts'

/**
 * What was fed to a Scrapy Cluster through here, stream `forward-<command id>`. Recorded before it is sent, so that nothing that reached the
 * cluster is missing. Source: crawling contract, section 8.
 */
export const forwardEvents = defineEvents('forward', {
  FeedReceived: z.object({
    payload: z.json(),
    /** The payload was too large to be kept: `payload` is the beginning of its JSON text. */
    truncated: z.boolean().optional(),
    /** Null where it is none of the four requests: the cluster is asked anyway. */
    class: z.enum(feedClasses).nullable(),
    /** Whether an answer can come; its `uuid` is a text then. */
    awaitsAnswer: z.boolean(),
  }),
  FeedForwarded: z.object({ topic: z.string() }),
  /** The brokers did not confirm it; it may have reached them all the same. */
  FeedNotForwarded: z.object({ topic: z.string(), reason: z.string() }),
})
export type ForwardEvent = EventOf<typeof forwardEvents>

/**
 * What a Scrapy Cluster has crawled, stream `item-<id of the message>`. `item` and `body` are hashes as in `PageFetched`; the body is kept in
 * UTF-8 where it came as text. Source: crawling contract, sections 7 and 8.
 */
export const receivedItemEvents = defineEvents('item', {
  ItemReceived: z.object({
    appid: z.string(),
    crawlid: z.string(),
    url: z.string(),
    responseUrl: z.string(),
    statusCode: z.number().int(),
    encoding: z.string().nullable(),
    bytes: z.number().int(),
    item: z.string(),
    body: z.string(),
  }),
})
export type ReceivedItemEvent = EventOf<typeof receivedItemEvents>
