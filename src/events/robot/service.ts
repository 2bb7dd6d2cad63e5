import { z } from 'zod'
import { defineEvents, type EventOf } from '../define.ts'

/**
 * A robot service, stream `robotService-<guid>`. Its data and state after its creation are folded from the outcomes of its tasks.
 * Secret members of `data` are sealed. Source: robot contract, "Events".
 */
export const serviceEvents = defineEvents('robotService', {
  ServiceCreated: z.object({
    name: z.string(),
    templateUid: z.string(),
    commit: z.string(),
    data: z.record(z.string(), z.json()).meta({ sealed: true }),
    public: z.boolean(),
    origin: z.enum(['api', 'blueprint', 'action']),
  }),
  ServiceUpgraded: z.object({ templateUid: z.string(), commit: z.string() }),
  ServiceDeleted: z.object({}),
})
export type ServiceEvent = EventOf<typeof serviceEvents>

/** The stream of a service is this and its guid. */
export const servicePrefix = 'robotService-'
