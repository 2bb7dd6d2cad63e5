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
const retryMs = 1_000
const cancelledAtOnce = 200
/** No timer is looked at later than this, so that a clock that was set is noticed. */
const longestWaitMs = 60_000

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
  let cancelTimer = (): void => {}
  let isWorking = false
  let isAskedAgain = false

  const queries = (): QueueQueries => queueQueries(projections.views('crawling-pages'))

  const expireDue = async (): Promise<void> => {
    for (;;) {
      const timer = queries().nextTimer()
      if (timer === undefined || dueAt(timer.expires) > clock.now()) return
      const { spiderid, appid, crawlid, expires } = timer
      const name = { spiderid, appid, crawlid }
      const context = { commandId: newId(), actor, correlationId: crawlKey(name) }
      const expired = await executor.execute(crawl, { type: 'ExpireCrawl', name, expires }, context)
      if (expired.refused || expired.position === null || !(await projections.reached(expired.position, view))) return again()
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

  const cancelDoomed = async (): Promise<void> => {
    for (;;) {
      const doomed = queries().doomed(cancelledAtOnce)
      if (doomed.length === 0 || signal.aborted) return
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
      if (last === undefined || !(await projections.reached(last, view))) return again()
    }
  }

  const again = (): void => {
    cancelTimer()
    cancelTimer = clock.after(retryMs, look)
  }

  const work = async (): Promise<void> => {
    cancelTimer()
    cancelTimer = () => {}
    try {
      do {
        isAskedAgain = false
        await expireDue()
        await cancelDoomed()
      } while (isAskedAgain && !signal.aborted)
      const next = queries().nextTimer()
      if (next === undefined || signal.aborted || !isMine()) return
      const waitMs = Math.max(dueAt(next.expires) - clock.now(), 0)
      cancelTimer = clock.after(Math.min(waitMs === 0 ? retryMs : waitMs, longestWaitMs), look)
    } catch (error) {
      if (signal.aborted) return
      logger.error({ err: error }, 'timers of crawls could not be worked on; trying again')
      again()
    }
  }

  const look = (): void => {
    isAskedAgain = true
    if (signal.aborted || isWorking || !isMine()) return
    isWorking = true
    void work().finally(() => {
      isWorking = false
      if (isAskedAgain) look()
    })
  }

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
      peers.onChange(look, signal)
      const end = projections.onApplied((events) => {
        if (events.some(concerns)) look()
      })
      signal.addEventListener('abort', () => {
        end()
        cancelTimer()
      })
      look()
    },
  }
}

/** A crawl has expired when the clock is past its second. */
const dueAt = (expires: number): number => expires * 1000 + 1
