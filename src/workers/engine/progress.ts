import type { Clock } from '../../lib/clock.ts'

export interface ProgressReport {
  readonly phase?: string
  readonly fraction?: number
  readonly detail?: string
}
export interface RecordedProgress {
  readonly phase: string | null
  readonly fraction: number | null
  readonly detail: string | null
}

export interface ProgressThrottle {
  report(report: ProgressReport): void
  /** Nothing is recorded from now on. Gives the last report where it was not recorded: it belongs to the outcome. */
  stop(): RecordedProgress | null
}

/** Work that ends sooner leaves no record of its own: its last report stands beside its outcome. */
const firstMs = 100
const shortestGapMs = 1_000
/** A long attempt makes at most about this many records for each tenfold of its time. */
const gapsPerElapsed = 100

/**
 * Lets reports through at most once a second, and never more often than a hundredth of the time that the attempt has run.
 * What was said last is what gets recorded; members that a report leaves out keep their last value.
 */
export const createProgressThrottle = ({
  clock,
  record,
}: {
  readonly clock: Clock
  readonly record: (progress: RecordedProgress) => Promise<void>
}): ProgressThrottle => {
  const begun = clock.monotonic()
  let latest: RecordedProgress = { phase: null, fraction: null, detail: null }
  let isNew = false
  let isRecording = false
  let isStopped = false
  let nextAt = begun + firstMs
  let cancelTimer: (() => void) | undefined

  const arm = (): void => {
    if (isStopped || isRecording || !isNew || cancelTimer !== undefined) return
    cancelTimer = clock.after(Math.max(0, nextAt - clock.monotonic()), () => {
      cancelTimer = undefined
      void flush()
    })
  }

  const flush = async (): Promise<void> => {
    // Timers may fire a millisecond early.
    if (clock.monotonic() < nextAt) return arm()
    isNew = false
    isRecording = true
    await record(latest)
    isRecording = false
    // Counted from the moment when it was surely recorded, so that the recorded times keep the distance too.
    nextAt = clock.monotonic() + Math.max(shortestGapMs, (clock.monotonic() - begun) / gapsPerElapsed)
    arm()
  }

  return {
    report: ({ phase, fraction, detail }) => {
      latest = {
        phase: phase ?? latest.phase,
        fraction: isFraction(fraction) ? Math.min(1, Math.max(0, fraction)) : latest.fraction,
        detail: detail ?? latest.detail,
      }
      isNew = true
      arm()
    },
    stop: () => {
      isStopped = true
      cancelTimer?.()
      return isNew ? latest : null
    },
  }
}

const isFraction = (value: number | undefined): value is number => value !== undefined && Number.isFinite(value)
