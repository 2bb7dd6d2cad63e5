import { AttemptAborted } from '../engine/attempt.ts'

/** Whether an attempt was told to stop for good: nobody goes on with it, unlike after a shutdown or where another worker has it. */
export const isGivenUp = ({ aborted, reason }: AbortSignal): boolean =>
  aborted && reason instanceof AttemptAborted && (reason.why === 'cancelled' || reason.why === 'timed-out')
