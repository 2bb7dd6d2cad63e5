import { Cron } from 'croner'
import { dayMs, instant } from './clock.ts'
import { createRecent } from './recent.ts'

/** The times of a cron pattern in a time zone. Instants are milliseconds since the epoch. */
export interface CronTimes {
  /** The first one after `at`; undefined where none follows. */
  after(at: number): number | undefined
  /** The last one at `at` or before; undefined where there was none. */
  upTo(at: number): number | undefined
}

/**
 * Reads a pattern of five or six fields (seconds first where there are six). Throws an `Error` that says what is wrong with it.
 * Where day of month and day of week are both restricted, either matches. Where daylight saving begins, the wall-clock times that the day does not
 * have stand for the end of the gap; where it ends, a time that comes twice counts once, the first time. The library finds the wall-clock times,
 * as if they were UTC; it would leave out some in a gap, and count some twice.
 */
export const cronTimes = (pattern: string, zone: string): CronTimes => {
  const key = `${zone} ${pattern}`
  const times = known.get(key) ?? readTimes(pattern, zone)
  known.set(key, times)
  known.age()
  return times
}

/** Whether a text names a time zone of the IANA database; offsets do not. */
export const isTimeZone = (zone: string): boolean => {
  try {
    return /^[A-Za-z]/.test(zone) && offsetIn(zone)(0) !== undefined
  } catch {
    return false
  }
}

const known = createRecent<CronTimes>(500)

const readTimes = (pattern: string, zone: string): CronTimes => {
  const fields = pattern.trim().split(/\s+/).length
  if (fields !== 5 && fields !== 6) throw new Error(`a pattern has five or six fields, not ${fields}`)
  const cron = parsed(pattern)
  const clock = wallClock(zone)
  /** Many schedules of one pattern ask for the time after the same one. */
  const answers = createRecent<number>(50)
  const after = (at: number): number | undefined => {
    for (let wall = clock.shown(at); ; ) {
      const next = cron.nextRun(instant(wall))?.getTime()
      if (next === undefined) return undefined
      const found = clock.instantOf(next)
      if (found > at) return found
      wall = next
    }
  }
  return {
    after: (at) => {
      const found = answers.get(String(at)) ?? after(at)
      if (found !== undefined) answers.set(String(at), found)
      answers.age()
      return found
    },
    upTo: (at) => {
      // What the library looks for lies before, so the millisecond itself has to be over.
      const [last] = cron.previousRuns(1, instant(clock.shown(at) + 1))
      return last && clock.instantOf(last.getTime())
    },
  }
}

const parsed = (pattern: string): Cron => {
  try {
    return new Cron(pattern, { utcOffset: 0 })
  } catch (error) {
    throw new Error(String(error instanceof Error ? error.message : error).replace(/^CronPattern: /, ''))
  }
}

interface WallClock {
  /** The latest time that this clock has shown up to an instant, as if it were UTC. */
  shown(at: number): number
  /** When it shows a time first, or shows a later one because it skips that time. */
  instantOf(wall: number): number
}

const wallClock = (zone: string): WallClock => {
  if (zone === 'UTC') return { shown: (at) => at, instantOf: (wall) => wall }
  const offset = offsetIn(zone)
  /** The first instant after `low`, and at `high` at the latest, that has another offset than `low`. */
  const change = (low: number, high: number): number => {
    const before = offset(low)
    let [same, other] = [low, high]
    while (other - same > 1) {
      const middle = Math.floor((same + other) / 2)
      if (offset(middle) === before) same = middle
      else other = middle
    }
    return other
  }
  return {
    shown: (at) => {
      const earlier = offset(at - dayMs)
      const now = offset(at)
      // Set back a short time ago, it had shown later times before.
      return earlier > now ? Math.max(at + now, change(at - dayMs, at) + earlier - 1) : at + now
    },
    instantOf: (wall) => {
      const [before, after] = [offset(wall - dayMs), offset(wall + dayMs)]
      if (offset(wall - before) === before) return wall - before
      if (offset(wall - after) === after) return wall - after
      return change(wall - Math.max(before, after), wall - Math.min(before, after))
    },
  }
}

const minuteMs = 60_000
/** Names of zones count whatever their case, so that there is no end of them. */
const offsets = createRecent<(at: number) => number>(200)

/** By how many milliseconds a zone is ahead of UTC. Throws where it is unknown. */
const offsetIn = (zone: string): ((at: number) => number) => {
  const made = offsets.get(zone)
  if (made !== undefined) return made
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
  /** Zones change at whole minutes; asking takes some microseconds. */
  const recent = createRecent<number>(500)
  const offset = (at: number): number => {
    const minute = Math.floor(at / minuteMs)
    const found = recent.get(String(minute)) ?? offsetOf(format.format(minute * minuteMs))
    recent.set(String(minute), found)
    recent.age()
    return found
  }
  offset(0)
  offsets.set(zone, offset)
  offsets.age()
  return offset
}

/** From a text such as `3/28/2027, GMT+02:00`. */
const offsetOf = (text: string): number => {
  const [, sign, hours, minutes, seconds] = /GMT(?:([+-])(\d+):(\d+)(?::(\d+))?)?$/.exec(text) ?? []
  const ms = (Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0)) * 1000
  return sign === '-' ? -ms : ms
}
