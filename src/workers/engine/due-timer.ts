import type { Clock } from '../../lib/clock.ts'

/** One timer for many instants of the wall clock. */
export interface DueTimer {
  /** Something may have become due, or another instant may be the next one now. */
  look(): void
  /** Resolves when nothing is worked on any more. */
  stop(): Promise<void>
}

const retryMs = 1_000
/** No look is later than this, so that a clock that was set is noticed. */
const longestWaitMs = 60_000

/**
 * Does what is due, then waits for the next instant: however many things wait, one timer runs, and the instants stand in a view that a
 * restart reads. Whatever asks meanwhile is answered by one more look.
 */
export const createDueTimer = ({
  clock,
  work,
  nextDueAt,
  failed,
}: {
  readonly clock: Clock
  /** Does what is due. `false`: it could not do everything, so it is asked again in a second. */
  readonly work: () => Promise<boolean>
  /** When the next thing is due, in milliseconds since the epoch; undefined where nothing waits, or somebody else does it. */
  readonly nextDueAt: () => number | undefined
  /** Work that failed is repeated in a second. */
  readonly failed: (error: unknown) => void
}): DueTimer => {
  let cancelTimer = (): void => {}
  let isAskedAgain = false
  let isStopped = false
  let working: Promise<void> | undefined

  const wait = (ms: number): void => {
    cancelTimer()
    if (!isStopped) cancelTimer = clock.after(Math.min(ms, longestWaitMs), look)
  }

  const workOff = async (): Promise<void> => {
    cancelTimer()
    try {
      let isDone = true
      do {
        isAskedAgain = false
        isDone = await work()
      } while (isAskedAgain && !isStopped)
      if (!isDone) return wait(retryMs)
      const next = nextDueAt()
      if (next !== undefined) wait(Math.max(next - clock.now(), 0))
    } catch (error) {
      if (isStopped) return
      failed(error)
      wait(retryMs)
    }
  }

  const look = (): void => {
    isAskedAgain = true
    if (isStopped || working !== undefined) return
    working = workOff().finally(() => {
      working = undefined
      if (isAskedAgain) look()
    })
  }

  return {
    look,
    stop: async () => {
      isStopped = true
      cancelTimer()
      await working
    },
  }
}
