import { z } from 'zod'
import { ScheduleDefinition } from '../../events/schedule.ts'
import type { JsonValue } from '../../lib/json.ts'

const instant = z.string().meta({ format: 'date-time', example: '2026-11-21T05:27:00.123Z' })

/** A schedule's definition with its name and how it stands. Source: native contract, section 11. */
export const ScheduleDocument = ScheduleDefinition.omit({ afterLast: true })
  .extend({
    name: z.string(),
    input: z.unknown(),
    at: instant.nullable(),
    paused: z.boolean(),
    next: z.array(instant).meta({ description: 'The next ten slots, as if it were not paused' }),
    last: z
      .object({
        slot: instant,
        operation: z.string().nullable(),
        skipped: z.string().nullable().meta({ description: 'Why nothing was fired' }),
      })
      .nullable()
      .meta({ description: 'The last slot that was fired or skipped, or the last time that it was run by hand' }),
  })
  .meta({ id: 'Schedule' })

const days = [22, 23, 24, 25, 26, 27, 28, 29, 30]

/** A schedule as the document shows one. */
export const scheduleExample: JsonValue = {
  name: 'nightly',
  kind: 'probe',
  input: { echo: 'good night' },
  lane: null,
  priority: 100,
  policy: {},
  labels: {},
  limits: [],
  cron: '30 2 * * *',
  timeZone: 'Europe/Berlin',
  everyMs: null,
  at: null,
  jitterMs: 0,
  overlap: 'skip',
  catchUp: 'last',
  paused: false,
  next: [...days.map((day) => `2026-11-${day}T01:30:00.000Z`), '2026-12-01T01:30:00.000Z'],
  last: null,
}
