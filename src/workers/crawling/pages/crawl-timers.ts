import type { Logger } from 'pino'
import { crawl } from '../../../commands/crawling/crawl.ts'
import type { Executor } from '../../../commands/execute.ts'
import { operation } from '../../../commands/operation.ts'
import { crawlKey } from '../../../events/crawling/crawl-key.ts'
import type { Actor } from '../../../events/define.ts'
import type { Clock } from '../../../lib/clock.ts'
import { newId } from '../../../lib/ids.ts'
import { crawlKind } from '../../../projections/crawling/pages.ts'
import { type QueueQueries, queueQueries } from '../../../projections/crawling/queue-queries.ts'
import type { Projections } from '../../../projections/projection.ts'
import type { EventLog, RecordedEvent } from '../../../stores/event-log.ts'
import type { Leases } from '../../../stores/leases.ts'
import { createDueTimer } from '../../engine/due-timer.ts'
import { createPeers } from '../../engine/peer-workers.ts'
import { gentleReasons } from './cancel-reasons.ts'

export interface ExpiryPorts {
  readonly log: EventLog
  readonly executor: Executor
  readonly projections: Projections
  readonly leases: Leases
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
}

/** What the workers share out among each other. */
const office = 'timers of crawls'
const actor: Actor = { principal: 'crawl-timer', face: 'crawling', address: null }
const view = { names: ['crawling-pages'] } as const
const cancelledAtOnce = 200

/**
 * Ends what time or a stop has ended: expires crawls whose timer ran out, and cancels the operations of crawls that were
 * stopped or have expired. Whatever a crash left undone is done after the restart. Of many workers one does it; where two
 * believe for a moment that they are the one, the log takes the first. Source: crawling contract, section 6.7.
 */
export const createExpiry = ({
  log,
  executor,
  projections,
  leases,
  clock,
  logger,
  signal,
}: ExpiryPorts): {
  /** `worker` tells the name of this worker's lease. */
  start(worker: () => string): void
} => {
  let isMine = (): boolean => true

  const queries = (): QueueQueries => queueQueries(projections.views('crawling-pages'))

  /** False where the view does not show yet what was recorded. */
  const expireDue = async (): Promise<boolean> => {
    for (;;) {
      const timer = queries().nextTimer()
      if (timer === undefined || dueAt(timer.expires) > clock.now()) return true
      const { spiderid, appid, crawlid, expires } = timer
      const name = { spiderid, appid, crawlid }
      const context = { commandId: newId(), actor, correlationId: crawlKey(name) }
      const expired = await executor.execute(crawl, { type: 'ExpireCrawl', name, expires }, context)
      if (expired.refused || expired.position === null || !(await projections.reached(expired.position, view))) return false
      logger.info({ ...name, expires }, 'a crawl has expired')
    }
  }

  /** The event that ended a crawl. */
  const endingOf = async (key: string, cause: 'stopped' | 'expired'): Promise<string | undefined> => {
    const type = cause === 'stopped' ? 'CrawlStopped' : 'CrawlExpired'
    for await (const event of log.readStream(`${crawl.category}-${key}`, { from: 'end', backwards: true }))
      if (event.type === type) return event.id
    return undefined
  }

  const cancelDoomed = async (): Promise<boolean> => {
    for (;;) {
      const doomed = queries().doomed(cancelledAtOnce)
      if (doomed.length === 0 || signal.aborted) return true
      const positions = await Promise.all(
        doomed.map(async ({ operation: id, crawl: key, doomed: cause }) => {
          const causationId = await endingOf(key, cause)
          const context = { commandId: newId(), actor, correlationId: id, ...(causationId === undefined ? {} : { causationId }) }
          const command = { type: 'CancelOperation', id, reason: gentleReasons[cause] } as const
          const cancelled = await executor.execute(operation, command, context)
          return cancelled.refused ? null : cancelled.position
        }),
      )
      const last = positions
        .filter((position) => position !== null)
        .sort()
        .at(-1)
      if (last === undefined || !(await projections.reached(last, view))) return false
    }
  }

  const timer = createDueTimer({
    clock,
    work: async () => !isMine() || ((await expireDue()) && (await cancelDoomed())),
    nextDueAt: () => {
      const next = isMine() ? queries().nextTimer() : undefined
      return next && dueAt(next.expires)
    },
    failed: (error) => {
      if (!signal.aborted) logger.error({ err: error }, 'timers of crawls could not be worked on; trying again')
    },
  })

  const concerns = ({ type, data }: RecordedEvent): boolean => {
    if (type === 'CrawlStopped' || type === 'CrawlExpired') return true
    return (
      type === 'OperationRequested' && data.kind === crawlKind && Number((data.input as { expires?: unknown }).expires ?? 0) > 0
    )
  }

  return {
    start: (worker) => {
      const peers = createPeers({ leases, clock, kind: crawlKind, me: worker })
      isMine = () => peers.owns(office)
      peers.onChange(timer.look, signal)
      const end = projections.onApplied((events) => {
        if (events.some(concerns)) timer.look()
      })
      signal.addEventListener('abort', () => {
        end()
        void timer.stop()
      })
      timer.look()
    },
  }
}

/** A crawl has expired when the clock is past its second. */
const dueAt = (expires: number): number => expires * 1000 + 1
