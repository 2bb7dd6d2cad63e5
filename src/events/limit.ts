import { z } from 'zod'
import { defineEvents, type EventOf } from './define.ts'

/** At most `count` attempts start within any `perMs` milliseconds. */
export const Rate = z.object({ count: z.number().int().min(1), perMs: z.number().int().min(1) })
export type Rate = z.infer<typeof Rate>

/** The greatest `count` of a rate: so many starts of a key are worth remembering. */
export const mostRateCount = 100_000

/**
 * What holds the operations that name a key, stream `limit-<key>`: how many of them run at a time, and how often their attempts
 * start. Null where it is not limited. Source: native contract, section 13.
 */
export const limitEvents = defineEvents('limit', {
  LimitSet: z.object({ concurrency: z.number().int().min(0).nullable(), rate: Rate.nullable() }),
  LimitRemoved: z.object({}),
})
export type LimitEvent = EventOf<typeof limitEvents>

/** The stream of a limit is this and its key. */
export const limitPrefix = 'limit-'
