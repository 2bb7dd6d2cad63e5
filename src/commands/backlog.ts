import type { Clock } from '../lib/clock.ts'

/** Commands that a process may have under way although the log is slow. */
const mostWhenSlow = 64
/** The log is slow when the oldest command under way has waited this long. */
const slowMs = 1_000

/** The commands that are under way in a process. */
export interface Backlog {
  /** Counts the command until it settles. */
  during<Result>(command: Promise<Result>): Promise<Result>
  /**
   * Whether one more request would only wait: then its client gives up before it is answered, asks again, and the log spends its time on
   * requests that nobody waits for any more.
   */
  isLong(): boolean
}

export const createBacklog = (clock: Clock): Backlog => {
  /** Oldest first, as sets keep the order of their making. */
  const underWay = new Set<{ readonly since: number }>()
  return {
    during: (command) => {
      const entry = { since: clock.monotonic() }
      underWay.add(entry)
      return command.finally(() => underWay.delete(entry))
    },
    isLong: () => {
      if (underWay.size < mostWhenSlow) return false
      const [oldest] = underWay
      return oldest !== undefined && clock.monotonic() - oldest.since >= slowMs
    },
  }
}
