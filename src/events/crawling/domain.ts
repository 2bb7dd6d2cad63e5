import { z } from 'zod'
import { defineEvents, type EventOf } from '../define.ts'

/** Who asked: the operation of the request, and what the client calls itself and its request. */
const asked = { domain: z.string(), operation: z.string(), appid: z.string(), uuid: z.string() }

/**
 * How fast a registered domain is fetched and whether at all, stream `domain-<domain>`. Source: crawling contract,
 * sections 4.2 (zookeeper) and 6.6.
 */
export const domainEvents = defineEvents('domain', {
  /** At most `hits × scale`, rounded down, starts in `window` seconds. */
  DomainThrottleSet: z.object({ ...asked, window: z.number().int(), hits: z.number().int(), scale: z.number() }),
  DomainThrottleRemoved: z.object(asked),
  DomainBlacklisted: z.object(asked),
  DomainUnblacklisted: z.object(asked),
})
export type DomainEvent = EventOf<typeof domainEvents>
