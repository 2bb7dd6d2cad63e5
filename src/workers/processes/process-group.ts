import type { Clock } from '../../lib/clock.ts'
import { membersOf, withEnvironment } from './process-table.ts'

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

/**
 * Ends what left its group, as with `setsid`: the path in its environment, which is that of the program's folder, tells it. TERM, KILL after `graceMs`.
 * Resolves to false where something of it cannot be ended.
 */
export const endStrays = async (path: string, graceMs: number, clock: Clock): Promise<boolean> => {
  for (const [signal, ms] of [
    ['SIGTERM', graceMs],
    ['SIGKILL', killedWithinMs],
  ] as const) {
    const until = clock.monotonic() + ms
    for (let pauseMs = shortestLookMs; ; pauseMs = Math.min(2 * pauseMs, longestLookMs)) {
      const strays = withEnvironment(`${path}/`)
      if (strays.length === 0) return true
      if (clock.monotonic() >= until) break
      for (const { pid } of strays) sendTo(pid, signal)
      await clock.sleep(pauseMs)
    }
  }
  return false
}

const send = (group: number, signal: NodeJS.Signals | 0): boolean => sendTo(-group, signal)

/** False where there is no such process any more; a negative number is a group. */
const sendTo = (target: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    process.kill(target, signal)
    return true
  } catch (error) {
    // EPERM: it is there, and belongs to another user by now.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
