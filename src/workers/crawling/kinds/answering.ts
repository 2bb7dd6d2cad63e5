import type { Policy } from '../../../events/operation.ts'
import type { Clock } from '../../../lib/clock.ts'
import { Unavailable } from '../../../lib/errors.ts'
import type { Projections } from '../../../projections/projection.ts'
import type { EventLog, Position } from '../../../stores/event-log.ts'
import { WorkFailed } from '../../work.ts'

/** What every request that has an answer needs. */
export interface AnsweringPorts {
  readonly log: EventLog
  readonly projections: Projections
  readonly clock: Clock
}

/** Four tries, as the original's three repetitions; none takes long. */
export const answeringPolicy: Policy = {
  attempts: 4,
  timeoutMs: 60_000,
  backoff: { initialMs: 100, factor: 4, maxMs: 5_000 },
  whenLost: 'retry',
}

const viewWaitMs = 10_000

/** Whole seconds since the epoch, as `server_time` gives them. */
export const serverTime = (clock: Clock): number => Math.floor(clock.now() / 1000)

/** Waits until the views hold what was acknowledged up to now, or up to `position`; throws `Unavailable` where they do not. */
export const caughtUp = async (
  { log, projections }: AnsweringPorts,
  names: readonly string[],
  position?: Position | null,
): Promise<void> => {
  const until = position ?? (await log.head())
  if (!(await projections.reached(until, { names, timeoutMs: viewWaitMs })))
    throw new Unavailable(`the views ${names.join(', ')} are too far behind to answer`)
}

/** The failure of a valid request that cannot be answered: its client never gets an answer by polling. Section 4.3. */
export const unanswerable = (message: string): WorkFailed => new WorkFailed('unanswerable', message, { retryable: false })
