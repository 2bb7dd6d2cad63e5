import { type Clock, parseInstant } from '../../lib/clock.ts'

/** The part of the operations view that is asked about starts of attempts, which are counted from 1 for each key of a limit. */
export interface StartQueries {
  lastStart(key: string): number
  /** When the latest ones were recorded, in milliseconds since the epoch. */
  latestStarts(key: string, count: number): readonly number[]
}

/**
 * When attempts started, by the monotonic clock. Nobody's wall clock is compared with another's: what starts now is timed when the view
 * shows it, which is after it was recorded, so that a window ends late by this delay and never early.
 */
export interface StartWindows {
  /** Takes the instant at which an event was recorded, as soon as it arrived: it tells how old recorded starts are. */
  observe(recordedAt: string): void
  /** Whether it is known what time it is by the clock that stamps events. */
  knowsTime(): boolean
  /** Whether starts of any key are timed. */
  isIdle(): boolean
  /** Takes the starts that the view shows by now; cheap for a key without a rate. */
  note(key: string): void
  /** What a rate leaves besides `open` attempts that may start at any moment; `afterMs` is when there is more, where time alone gives it. */
  room(key: string, rate: { readonly count: number; readonly perMs: number }, open: number): StartRoom
}

interface StartRoom {
  readonly left: number
  readonly afterMs: number | null
}

interface Window {
  /** The number of the last start that was timed. */
  last: number
  /** As many as a rate counts. */
  readonly count: number
  /** By the monotonic clock, the earliest first. */
  times: number[]
}

/** Clocks are slewed, by 0.05 % at most. */
const spread = 1.001

export const createStartWindows = ({
  queries,
  clock,
}: {
  readonly queries: StartQueries
  readonly clock: Clock
}): StartWindows => {
  const windows = new Map<string, Window>()
  let seen: { readonly at: number; readonly since: number } | undefined

  /** Starts from before this process looked are as old as the log's own clock says, which goes at least as far as its last event. */
  const recorded = (key: string, count: number): Window => {
    const now = clock.monotonic()
    const logNow = seen === undefined ? undefined : seen.at + now - seen.since
    const times = queries
      .latestStarts(key, count)
      .map((at) => now - Math.max(0, (logNow ?? at) - at))
      .sort((a, b) => a - b)
    return { last: queries.lastStart(key), count, times }
  }

  const timed = (key: string, count: number): readonly number[] => {
    const known = windows.get(key)
    if (known === undefined || known.count < count) {
      const window = recorded(key, count)
      windows.set(key, window)
      return window.times
    }
    const last = queries.lastStart(key)
    const now = clock.monotonic()
    for (let n = Math.max(known.last, last - known.count); n < last; n++) known.times.push(now)
    known.last = last
    if (known.times.length > known.count) known.times = known.times.slice(-known.count)
    return known.times
  }

  return {
    observe: (recordedAt) => {
      seen = { at: parseInstant(recordedAt), since: clock.monotonic() }
    },
    knowsTime: () => seen !== undefined,
    isIdle: () => windows.size === 0,
    note: (key) => {
      const known = windows.get(key)
      if (known !== undefined) timed(key, known.count)
    },
    room: (key, { count, perMs }, open) => {
      const times = timed(key, count)
      const begin = clock.monotonic() - perMs * spread - 1
      const within = times.length - times.findLastIndex((at) => at <= begin) - 1
      const left = count - open - within
      if (left > 0 || open >= count) return { left, afterMs: null }
      // So many starts may lie within the window for one more to be let in.
      const leaves = times.at(-(count - open))
      return { left, afterMs: leaves === undefined ? null : Math.max(1, leaves - begin) }
    },
  }
}
