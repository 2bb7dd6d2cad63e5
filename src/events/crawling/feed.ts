import { z } from 'zod'
import { defineEvents, type EventOf } from '../define.ts'

/** The four kinds of requests that may be fed, in the order in which they are tried. Source: crawling contract, section 4.1. */
export const feedClasses = ['crawl', 'action', 'stats', 'zookeeper'] as const
export type FeedClass = (typeof feedClasses)[number]

/** Why a payload is not of a class; `pointer` is a JSON Pointer into the payload. */
export const FeedError = z.object({ pointer: z.string(), message: z.string() })
export type FeedError = z.infer<typeof FeedError>

/**
 * What was fed and is none of the four requests, stream `feed-<uuid v7>`. A payload that is one of them becomes an operation
 * instead and leaves no event here. Source: crawling contract, sections 11 and 15.
 */
export const feedEvents = defineEvents('feed', {
  FeedRejected: z.object({
    payload: z.json(),
    /** The payload was too large to be kept: `payload` is the beginning of its JSON text. */
    truncated: z.boolean().optional(),
    /** The class that the payload resembles most; null for payloads that are no objects. */
    nearestClass: z.enum(feedClasses).nullable(),
    errors: z.array(FeedError),
  }),
})
export type FeedEvent = EventOf<typeof feedEvents>
