import { z } from 'zod'
import { defineEvents, type EventOf } from './define.ts'
import { Policy } from './operation.ts'

/** What a schedule asks for, and when. Times are milliseconds, or RFC 3339 in UTC. Source: native contract, section 11. */
export const ScheduleDefinition = z.object({
  kind: z.string(),
  /** Secret members are sealed for the schedule's own subject. */
  input: z.json().meta({ sealed: true }),
  lane: z.string().nullable(),
  priority: z.number().int(),
  policy: z.object({ attempts: z.number().int().optional(), timeoutMs: z.number().int().optional() }),
  labels: z.record(z.string(), z.string()),
  limits: z.array(z.string()),
  /** Exactly one of these three says when. */
  cron: z.string().nullable(),
  everyMs: z.number().int().nullable(),
  at: z.string().nullable(),
  timeZone: z.string(),
  jitterMs: z.number().int(),
  overlap: z.enum(['skip', 'queue', 'cancel-running']),
  catchUp: z.enum(['none', 'last', 'all']),
  /** The interval counts from the last firing and begins at once, and what is due while an operation is active waits for its end. */
  afterLast: z.literal(true).optional(),
  /** In place of `policy`, and of the kind's; schedules of faces alone have one. */
  wholePolicy: Policy.optional(),
})
export type ScheduleDefinition = z.infer<typeof ScheduleDefinition>

/** Slots after this instant count. */
const from = z.string()

/**
 * When operations are asked for, stream `schedule-<id that derives from owner and name>`: a name may hold anything, and is free again after
 * `ScheduleDeleted`. Firings stand in the operations that they ask for (`schedule`, `slot`).
 */
export const scheduleEvents = defineEvents('schedule', {
  /** `uid` tells schedules apart that had one name after the other. `owner` is the face that keeps it for itself. */
  ScheduleCreated: z.object({
    uid: z.string(),
    name: z.string(),
    owner: z.string().nullable(),
    definition: ScheduleDefinition,
    paused: z.boolean(),
    from,
  }),
  ScheduleReplaced: z.object({ definition: ScheduleDefinition, paused: z.boolean(), from }),
  SchedulePaused: z.object({}),
  ScheduleResumed: z.object({ from }),
  /** Nothing is fired for this slot, nor for those before it that were missed with it. */
  ScheduleSlotSkipped: z.object({ slot: z.string(), reason: z.string() }),
  /** The clock was set back: an interval goes on from its new time. */
  ScheduleRestarted: z.object({ from }),
  ScheduleDeleted: z.object({}),
})
export type ScheduleEvent = EventOf<typeof scheduleEvents>

export const schedulePrefix = 'schedule-'

/** Whose secrets those of a schedule's input are, and of the operations that it fires. */
export const scheduleSubject = (uid: string): string => `schedule-${uid}`
