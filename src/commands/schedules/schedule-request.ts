import { z } from 'zod'
import type { ScheduleDefinition } from '../../events/schedule.ts'
import { instant, parseInstant } from '../../lib/clock.ts'
import { cronTimes, isTimeZone } from '../../lib/cron.ts'
import { messageOf } from '../../lib/errors.ts'
import { anyJson } from '../../lib/json-schemas.ts'
import { Labels, LimitKeys, PlainName, RunAt } from '../submit.ts'

const shortestIntervalMs = 100
const longestIntervalMs = 10 * 366 * 24 * 3_600_000
const longestJitterMs = 24 * 3_600_000
const longestPattern = 1000

/** Any text that a path can name: `.` and `..` cannot stand there. */
const ScheduleName = z
  .string()
  .min(1)
  .max(200)
  .refine((name) => name.isWellFormed() && name !== '.' && name !== '..', 'well-formed text, and neither "." nor ".."')
  .meta({ description: 'Unique among the schedules', example: 'nightly' })

const members = {
  kind: z.string().min(1).max(200),
  input: anyJson.refine((value) => value !== undefined, 'required'),
  lane: PlainName.nullish().meta({ description: 'Operations of the same lane run one at a time' }),
  priority: z.number().int().min(0).max(1000).default(100).meta({ description: 'Lower numbers run first' }),
  policy: z
    .strictObject({ attempts: z.number().int().min(1).max(1000).optional(), timeoutMs: z.number().int().min(1).optional() })
    .default({}),
  labels: Labels.default({}),
  limits: LimitKeys.default([]),
  cron: z
    .string()
    .max(longestPattern)
    .nullish()
    .meta({ description: 'Five fields, or six that begin with seconds; names, `L` and `#` are known' }),
  timeZone: z
    .string()
    .max(100)
    .refine(isTimeZone, 'the name of a time zone, such as Europe/Berlin')
    .default('UTC')
    .meta({ description: 'Of the cron pattern: a name of the IANA database' }),
  everyMs: z
    .number()
    .int()
    .min(shortestIntervalMs)
    .max(longestIntervalMs)
    .nullish()
    .meta({ description: 'The time between slots' }),
  at: RunAt.nullish().meta({ description: 'The one slot of a schedule that fires once' }),
  jitterMs: z
    .number()
    .int()
    .min(0)
    .max(longestJitterMs)
    .default(0)
    .meta({ description: 'A slot is fired up to so much later; how much is fixed for each slot' }),
  overlap: z
    .enum(['skip', 'queue', 'cancel-running'])
    .default('skip')
    .meta({ description: 'What becomes of a slot while an operation of the schedule has not ended' }),
  catchUp: z
    .enum(['none', 'last', 'all'])
    .default('last')
    .meta({ description: 'Which of the slots are fired late that came while no server was there to fire them' }),
  paused: z.boolean().default(false),
}

/** What says when. */
const ways = ['cron', 'everyMs', 'at'] as const

const checkTiming = ({ value, issues }: z.core.ParsePayload<Timing>): void => {
  const complain = (path: string, message: string): void =>
    void issues.push({ code: 'custom', path: [path], message, input: value })
  const [first, ...others] = ways.filter((way) => value[way] != null)
  if (first === undefined) complain('cron', 'one of cron, everyMs and at is required')
  for (const other of others) complain(other, `${first} is given too; one of cron, everyMs and at is allowed`)
  if (value.cron == null || !isTimeZone(value.timeZone)) return
  try {
    if (cronTimes(value.cron, value.timeZone).after(0) === undefined) complain('cron', 'such a time never comes')
  } catch (error) {
    complain('cron', messageOf(error))
  }
}
interface Timing {
  readonly cron?: string | null | undefined
  readonly everyMs?: number | null | undefined
  readonly at?: string | null | undefined
  readonly timeZone: string
}

/** What `POST /v1/schedules` takes. Source: native contract, section 11. */
export const NewSchedule = z
  .strictObject({ name: ScheduleName, ...members })
  .check(checkTiming)
  .meta({ id: 'NewSchedule' })
/** What `PUT /v1/schedules/{name}` takes. */
export const ReplacedSchedule = z
  .strictObject({ name: ScheduleName.optional(), ...members })
  .check(checkTiming)
  .meta({ id: 'ReplacedSchedule' })

export type ScheduleRequest = Omit<z.output<typeof NewSchedule>, 'name'>
/** The same with the defaults left out. */
export type ScheduleWishes = Omit<z.input<typeof NewSchedule>, 'name'>

/** A valid request as it is recorded, but for the sealing of its input. */
export const definitionOf = (request: ScheduleRequest): ScheduleDefinition => {
  const { kind, input, lane, priority, policy, labels, limits, cron, everyMs, at, timeZone, jitterMs, overlap, catchUp } = request
  return {
    kind,
    input: input as never,
    lane: lane ?? null,
    priority,
    policy,
    labels,
    limits,
    cron: cron ?? null,
    timeZone,
    everyMs: everyMs ?? null,
    at: at == null ? null : instant(parseInstant(at)),
    jitterMs,
    overlap,
    catchUp,
  }
}
