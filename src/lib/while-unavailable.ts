import type { Clock } from './clock.ts'
import { Unavailable } from './errors.ts'

const firstPauseMs = 50
const longestPauseMs = 2_000

/**
 * What `step` gives, asked again while the log is out of reach, 50 ms after the first failure and at most 2 s apart. Undefined once
 * `goesOn` says no. Errors that no repetition mends are the caller's; `onFailure` is told of the others.
 */
export const whileUnavailable = async <Result>(
  step: () => Promise<Result>,
  {
    clock,
    goesOn,
    onFailure,
    repeats = isUnavailable,
  }: {
    readonly clock: Clock
    readonly goesOn: () => boolean
    readonly onFailure?: (error: unknown) => void
    /** Which errors another try may mend. Default: `Unavailable` alone. */
    readonly repeats?: (error: unknown) => boolean
  },
): Promise<Result | undefined> => {
  for (let pauseMs = firstPauseMs; goesOn(); pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    try {
      return await step()
    } catch (error) {
      if (!repeats(error)) throw error
      onFailure?.(error)
      await clock.sleep(pauseMs)
    }
  }
  return undefined
}

const isUnavailable = (error: unknown): boolean => error instanceof Unavailable
