import type { Clock } from '../../lib/clock.ts'
import { membersOf } from './process-table.ts'

/** Asks the processes of a group to end (TERM). */
export const askToEnd = (group: number): void => {
  send(group, 'SIGTERM')
}

/** Ends the processes of a group (KILL). */
export const kill = (group: number): void => {
  send(group, 'SIGKILL')
}

const shortestLookMs = 5
const longestLookMs = 100
/** Processes that have ended stay in their group until their parent asks for the outcome: from this look on they are told apart. */
const carefulFrom = 4

/** Resolves to true once no process of the group runs, to false after `ms` milliseconds. */
export const isGone = async (group: number, ms: number, clock: Clock): Promise<boolean> => {
  const until = clock.monotonic() + ms
  for (let look = 0, pauseMs = shortestLookMs; ; look++, pauseMs = Math.min(2 * pauseMs, longestLookMs)) {
    if (!send(group, 0)) return true
    if (look >= carefulFrom && membersOf(group).length === 0) return true
    if (clock.monotonic() >= until) return false
    await clock.sleep(pauseMs)
  }
}

/** A process that was killed and does not end waits for a device; nobody can do more. */
export const killedWithinMs = 5_000

/** Ends what is left of a group: TERM, KILL after `graceMs`. Resolves to false where something of it cannot be ended. */
export const endGroup = async (group: number, graceMs: number, clock: Clock): Promise<boolean> => {
  askToEnd(group)
  if (await isGone(group, graceMs, clock)) return true
  kill(group)
  return isGone(group, killedWithinMs, clock)
}

/** False where the group has no process any more. */
const send = (group: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    process.kill(-group, signal)
    return true
  } catch (error) {
    // EPERM: it is there, and belongs to another user by now.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
