import type { Clock } from '../../lib/clock.ts'
import type { Position } from '../../stores/event-log.ts'

/** The wall clock was set: instants recorded before that differ from the clock by `ms`. */
interface ClockStep {
  /** What the clock would show had it not been set. */
  readonly instead: number
  /** By how much it was set, in milliseconds. */
  readonly ms: number
  /** The last event that was certainly recorded before. */
  readonly upTo: Position
}

/** Set back by `ms` after the event `upTo`: an instant that was reckoned before comes so much later than it was meant to. */
export type SetBack = Pick<ClockStep, 'ms' | 'upTo'>

/** Steps of the wall clock that a process lived through, as its monotonic clock shows them. */
export interface ClockSteps {
  /** Compares the clocks; `upTo` is the last event that is known. To be called before instants are reckoned with. */
  look(upTo: Position): void
  /** The clock was set before this process began. */
  setBackBefore(step: SetBack): void
  /** The latest first. */
  setBack(): readonly SetBack[]
  /** Nothing waits by such an instant any longer. */
  forget(step: SetBack): void
  /** By how much the clock was set forward since `at`, an instant of the wall clock. */
  setForwardSince(at: number): number
}

/** Ignored difference between two checks: a clock that NTP adjusts drifts by less, and a smaller step delays no wait noticeably. */
const toleranceMs = 200
/** Steps forward that are remembered: a clock that is set again and again makes attempts live too long, never too short. */
const mostSteps = 100

export const createClockSteps = (clock: Clock): ClockSteps => {
  const offset = (): number => clock.now() - clock.monotonic()
  let known = offset()
  let back: readonly SetBack[] = []
  let forward: readonly ClockStep[] = []

  return {
    look: (upTo) => {
      const ms = offset() - known
      if (Math.abs(ms) < toleranceMs) return
      known += ms
      const step = { instead: clock.now() - ms, ms: Math.abs(ms), upTo }
      // A wait from before an earlier step back is late by both.
      if (ms < 0) back = [step, ...back.map((earlier) => ({ ...earlier, ms: earlier.ms + step.ms }))].slice(0, mostSteps)
      else {
        forward = [step, ...forward].slice(0, mostSteps)
        // A step forward shortens the delay of an earlier step back.
        back = back.map((earlier) => ({ ...earlier, ms: earlier.ms - ms })).filter((earlier) => earlier.ms > 0)
      }
    },
    setBackBefore: (step) => {
      back = [...back, step]
    },
    setBack: () => back,
    forget: (step) => {
      back = back.filter((one) => one !== step)
    },
    setForwardSince: (at) => forward.reduce((sum, { instead, ms }) => (instead >= at ? sum + ms : sum), 0),
  }
}
