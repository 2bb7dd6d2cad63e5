import type { Logger } from 'pino'
import type { Clock } from '../../../lib/clock.ts'
import type { Projections } from '../../../projections/projection.ts'
import type { EventLog, Position } from '../../../stores/event-log.ts'

/** What the spider sees of the log: the view of pages. */
export interface Sight {
  /** Waits until the view holds a position, by default all that is in the log now, however long it takes; false where `signal` ends the wait. */
  seen(position?: Position): Promise<boolean>
  /** The same for a few seconds only. Rejects where the log does not answer. */
  glance(): Promise<boolean>
}

const view = { names: ['crawling-pages'] } as const
const waitMs = 5_000
const pauseMs = 200

export const createSight = ({
  log,
  projections,
  clock,
  logger,
  signal,
}: {
  readonly log: EventLog
  readonly projections: Projections
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
}): Sight => ({
  seen: async (position) => {
    const until = position ?? (await log.head())
    while (!signal.aborted) {
      if (await projections.reached(until, { ...view, timeoutMs: waitMs })) return true
      logger.warn({ position: until }, 'the view of pages is behind; the spider waits for it')
      await clock.sleep(pauseMs, signal).catch(() => undefined)
    }
    return false
  },
  glance: async () => projections.reached(await log.head(), { ...view, timeoutMs: waitMs }),
})
