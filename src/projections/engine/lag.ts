import { Damaged } from '../../lib/errors.ts'
import type { EventLog, Position } from '../../stores/event-log.ts'

const countedAtMost = 1000

/** How many events lie between a position and the head: counted where they are few, else estimated. */
export const eventsBetween = async (log: EventLog, after: Position, head: Position): Promise<number> => {
  if (after >= head) return 0
  let count = 0
  const estimated = () => Math.max(count, numberOf(head) - numberOf(after))
  try {
    for await (const _event of log.readAll({ after, limit: countedAtMost })) count++
  } catch (error) {
    if (error instanceof Damaged) return estimated()
    throw error
  }
  return count < countedAtMost ? count : estimated()
}

/** About how much of the log lies behind a position, in [0, 1]. */
export const shareBehind = (position: Position, head: Position): number => {
  const whole = numberOf(head)
  return whole === 0 ? 1 : Math.min(1, numberOf(position) / whole)
}

/** Positions begin with a number that grows with the log; good for estimates, never for comparing. */
export const numberOf = (position: Position): number => Number.parseInt(position, 10) || 0
