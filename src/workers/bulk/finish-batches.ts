import type { Logger } from 'pino'
import type { Executor } from '../../commands/execute.ts'
import { finishBatch } from '../../commands/submit-batch.ts'
import type { Clock } from '../../lib/clock.ts'
import { openBatches } from '../../projections/batches.ts'
import type { Projections } from '../../projections/projection.ts'
import type { EventLog } from '../../stores/event-log.ts'

/** A batch that is open for so long is not being worked on any more; where it is, both do the same and it counts once. */
const lookEveryMs = 5_000

/** Completes batches whose process ended in the middle: those that are open at the start, and later those that two looks find. */
export const createBatchFinisher = ({
  log,
  executor,
  projections,
  clock,
  logger,
}: {
  readonly log: EventLog
  readonly executor: Executor
  readonly projections: Pick<Projections, 'views'>
  readonly clock: Clock
  readonly logger: Logger
}): { start(): Promise<void>; stop(): Promise<void> } => {
  let cancel = (): void => {}
  let isStopped = false
  let looking: Promise<void> = Promise.resolve()

  const look = async (seen: ReadonlySet<string> | undefined): Promise<void> => {
    const open = openBatches(projections.views('batches'))
    for (const id of open) {
      if (isStopped || (seen !== undefined && !seen.has(id))) continue
      try {
        await finishBatch({ executor, log }, id)
        logger.info({ batch: id }, 'a batch that was left in the middle is completed')
      } catch (error) {
        logger.warn({ err: error, batch: id }, 'a batch is not completed yet')
      }
    }
    if (!isStopped)
      cancel = clock.after(lookEveryMs, () => {
        looking = look(new Set(open))
      })
  }

  return {
    start: async () => {
      isStopped = false
      looking = look(undefined)
      await looking
    },
    stop: async () => {
      isStopped = true
      cancel()
      await looking
    },
  }
}
