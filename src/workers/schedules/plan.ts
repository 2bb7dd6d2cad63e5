import { lastDue, slotUpTo } from '../../commands/schedules/slots.ts'
import type { DueSchedule } from '../../projections/schedules.ts'

/** What becomes of a slot that is due. */
export type Plan =
  | { readonly do: 'fire'; readonly slot: number; readonly lane?: string; readonly cancel: readonly string[] }
  | { readonly do: 'skip'; readonly slot: number; readonly reason: string }
  /** Nothing now: one of these operations has to end first. */
  | { readonly do: 'wait'; readonly for: readonly string[] }

export interface Circumstances {
  readonly now: number
  /** Since when somebody has been looking: slots that were due before that were missed. */
  readonly awakeSince: number
  /** Operations of the schedule that have not ended. */
  readonly active: readonly string[]
  /** Of the slots of a schedule up to one that was missed: the first that is caught up where all are. */
  firstCaughtUp(schedule: DueSchedule, last: number): number
}

/** Of a queue: as many operations may wait and run; what is due meanwhile comes later. */
export const longestQueue = 100
/** Slots that are caught up where all are; of more, the newest. */
export const mostCaughtUp = 500
/** What is due while one node hands the office to another was not missed. */
const handOverMs = 1_000

/** Decides about the first slot of a schedule that is due. Source: native contract, section 11. */
export const plan = (schedule: DueSchedule, { now, awakeSince, active, firstCaughtUp }: Circumstances): Plan => {
  const { definition, slot } = schedule
  const missedBefore = Math.max(awakeSince, schedule.since) - handOverMs
  if (schedule.due >= missedBefore) return onTime(schedule, slot, active)
  switch (definition.catchUp) {
    case 'none': {
      const last = lastDue(schedule, slot, missedBefore - 1)
      return { do: 'skip', slot: last, reason: 'missed: no server was there to fire it' }
    }
    case 'last':
      return onTime(schedule, lastDue(schedule, slot, now), active)
    case 'all': {
      const first = firstCaughtUp(schedule, lastDue(schedule, slot, missedBefore - 1))
      if (first > slot)
        return {
          do: 'skip',
          slot: slotUpTo(schedule, first - 1) ?? slot,
          reason: `missed: the newest ${mostCaughtUp} are caught up`,
        }
      // One after the other: caught up together they would only skip or cancel each other.
      return active.length > 0 && definition.overlap !== 'queue' ? { do: 'wait', for: active } : onTime(schedule, slot, active)
    }
  }
}

const onTime = (schedule: DueSchedule, slot: number, active: readonly string[]): Plan => {
  const { definition, uid } = schedule
  const [other] = active
  // Those that do not run side by side and have no lane share one of their own.
  const lane = definition.lane ?? `schedule:${uid}`
  if (other === undefined) return { do: 'fire', slot, cancel: [], ...(definition.overlap === 'skip' ? {} : { lane }) }
  if (definition.afterLast) return { do: 'wait', for: active }
  switch (definition.overlap) {
    case 'skip':
      return { do: 'skip', slot, reason: `overlap: operation ${other} of the slot before has not ended` }
    case 'queue':
      return active.length >= longestQueue ? { do: 'wait', for: active } : { do: 'fire', slot, lane, cancel: [] }
    case 'cancel-running':
      return { do: 'fire', slot, lane, cancel: active }
  }
}
