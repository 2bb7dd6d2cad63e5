import { z } from 'zod'
import { defineEvents, type EventOf } from './define.ts'
import { sealed } from './sealed.ts'

const text = z.string().min(1).max(1000)
const anyOf = z.union([text, z.array(text).min(1).max(100)])

/** Which events a webhook wants, as `GET /v1/events` takes it: of each member any of its values. */
export const WebhookFilter = z.strictObject({
  type: anyOf.optional(),
  category: anyOf.optional(),
  stream: anyOf.optional(),
  correlation: anyOf.optional(),
  principal: anyOf.optional(),
})
export type WebhookFilter = z.infer<typeof WebhookFilter>

const target = { url: z.string(), filter: WebhookFilter, active: z.boolean() }
/** A stretch of deliveries that begins after `from`; its progress is in the stream `webhookProgress-<run>`. */
const stretch = { run: z.string(), from: z.string() }
/** An event of the log that could not be delivered, by its place. */
const place = { id: z.string(), position: z.string(), stream: z.string(), revision: z.number().int() }

/** Where events are delivered to, stream `webhook-<name>`. Source: native contract, section 12. */
export const webhookEvents = defineEvents('webhook', {
  WebhookCreated: z.object({ name: z.string(), ...target, secret: sealed(), ...stretch }),
  /** `run` and `from`: deliveries begin anew after another position. */
  WebhookChanged: z.object({ ...target, secret: sealed().optional(), run: z.string().optional(), from: z.string().optional() }),
  WebhookPaused: z.object({ because: z.string() }),
  WebhookResumed: z.object({}),
  WebhookDeleted: z.object({}),
  /** It failed too often; its stream goes on without it. */
  WebhookEventParked: z.object({ ...place, run: z.string(), attempts: z.number().int(), error: z.string() }),
  WebhookRedriveRequested: z.object({ id: z.string() }),
  WebhookEventRedriven: z.object({ id: z.string() }),
  WebhookEventDiscarded: z.object({ id: z.string() }),
})
export type WebhookEvent = EventOf<typeof webhookEvents>

/**
 * How far the deliveries of a webhook have come, stream `webhookProgress-<run>`. Every event of the log up to `position` is delivered, parked or
 * not wanted, except in the streams that are behind: those from `revision` on.
 */
export const webhookProgressEvents = defineEvents('webhookProgress', {
  WebhookAdvanced: z.object({
    position: z.string(),
    /** How many were delivered since the last such event. */
    delivered: z.number().int(),
    /** Streams that are behind, with the place from which on; those said before stay so. */
    behind: z.array(z.object({ stream: z.string(), revision: z.number().int(), position: z.string() })),
    /** Streams that are not behind any more. */
    caughtUp: z.array(z.string()),
  }),
  /** One try failed; the next is at `retryAt`. `redriven`: of an event that had been parked. */
  WebhookDeliveryFailed: z.object({
    ...place,
    attempts: z.number().int(),
    error: z.string(),
    retryAt: z.string(),
    redriven: z.boolean(),
  }),
})
export type WebhookProgressEvent = EventOf<typeof webhookProgressEvents>

/** The events of webhooks themselves, which none delivers: deliveries would cause deliveries for ever. */
export const webhookCategories: readonly string[] = [webhookEvents.category, webhookProgressEvents.category]
