import { z } from 'zod'
import { defineEvents, type EventOf } from './define.ts'
import { sealed } from './sealed.ts'

/**
 * What became of an `Idempotency-Key`, stream `request-<hash of principal and key>`. Source: native contract, section 2.
 * The body is base64, because it is given again byte for byte; a large one is a blob.
 */
export const requestEvents = defineEvents('request', {
  KeyClaimed: z.object({
    fingerprint: z.string(),
    commandId: z.string(),
    /** The process that does what is asked, new at each start, and when it began; older events have neither. */
    node: z.string().optional(),
    at: z.string().optional(),
  }),
  KeyAnswered: z.object({
    status: z.number().int(),
    headers: z.record(z.string(), z.string()),
    body: z.string(),
    blob: z.string().optional(),
    /** Instead of the body, where a secret stands in it. */
    sealed: sealed().optional(),
  }),
  KeyFreed: z.object({}),
})
export type RequestEvent = EventOf<typeof requestEvents>
export type KeptAnswer = z.infer<(typeof requestEvents.schemas)['KeyAnswered']>
