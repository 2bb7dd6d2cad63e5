import type { ScheduleDefinition } from '../../events/schedule.ts'
import { parseInstant } from '../../lib/clock.ts'
import { cronTimes } from '../../lib/cron.ts'
import { derivedId, derivedIdAt } from '../../lib/ids.ts'

/** Where a schedule stands. Instants are milliseconds since the epoch. */
export interface Standing {
  readonly uid: string
  readonly timing: Timing
  /** Where its interval begins. */
  readonly anchor: number
  /** Slots up to here do not count: it was made, replaced or resumed then. */
  readonly since: number
  /** The last slot that was fired or skipped. */
  readonly handled: number | null
  /** When the last slot was fired. */
  readonly firedAt: number | null
}
export type Timing = Pick<ScheduleDefinition, 'cron' | 'timeZone' | 'everyMs' | 'at' | 'jitterMs' | 'afterLast'>

/** The first slot that was not handled; undefined where none follows. */
export const nextSlot = (standing: Standing): number | undefined => {
  const { timing, since, handled, firedAt } = standing
  if (timing.at !== null) return handled === parseInstant(timing.at) ? undefined : parseInstant(timing.at)
  if (timing.afterLast && timing.everyMs !== null) return firedAt === null ? since : firedAt + timing.everyMs
  return slotAfter(standing, Math.max(since, handled ?? since))
}

/** The first slot of a cron pattern or an interval after an instant; a one-shot has none after its first. */
export const slotAfter = ({ timing, anchor }: Standing, after: number): number | undefined => {
  if (timing.everyMs !== null)
    return timing.afterLast
      ? after + timing.everyMs
      : anchor + (Math.max(0, Math.floor((after - anchor) / timing.everyMs)) + 1) * timing.everyMs
  return timing.cron === null ? undefined : cronTimes(timing.cron, timing.timeZone).after(after)
}

/** The last slot of a cron pattern or an interval up to an instant. */
export const slotUpTo = ({ timing, anchor }: Standing, upTo: number): number | undefined => {
  if (timing.everyMs !== null && !timing.afterLast) return anchor + Math.floor((upTo - anchor) / timing.everyMs) * timing.everyMs
  return timing.cron === null ? undefined : cronTimes(timing.cron, timing.timeZone).upTo(upTo)
}

/** When a slot is fired: up to `jitterMs` later, and equally much later whoever asks. */
export const dueAt = ({ uid, timing }: Pick<Standing, 'uid' | 'timing'>, slot: number): number =>
  timing.jitterMs === 0 ? slot : slot + (Number.parseInt(derivedId('jitter', uid, slot).slice(0, 8), 16) % (timing.jitterMs + 1))

/** The last slot that is certainly due at an instant, if it comes after `slot`; else `slot`. */
export const lastDue = (standing: Standing, slot: number, now: number): number =>
  Math.max(slot, slotUpTo(standing, now - standing.timing.jitterMs) ?? slot)

/** Of the slots from `slot` to `last` the newest ones: where they begin. */
export const newestSlots = (standing: Standing, slot: number, last: number, count: number): number => {
  let first = last
  for (let left = count - 1; left > 0 && first > slot; left--) first = slotUpTo(standing, first - 1) ?? slot
  return Math.max(first, slot)
}

/** The next times; what is paused is asked as of `now`. */
export const nextSlots = (standing: Standing, count: number): readonly number[] => {
  const slots: number[] = []
  for (let slot = nextSlot(standing); slot !== undefined && slots.length < count; slot = slotAfter(standing, slot))
    slots.push(slot)
  return slots
}

/** The operation of a slot: one id, whoever fires it. */
export const firingId = (uid: string, slot: number): string => derivedIdAt(slot, 'firing', uid, slot)
