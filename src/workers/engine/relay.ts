import type { Logger } from 'pino'
import type { Job, JobBus } from '../../bus/job-bus.ts'
import { operationOf, operationPrefix, terminalTypes } from '../../events/operation.ts'
import { type Clock, parseInstant } from '../../lib/clock.ts'
import type { Projections } from '../../projections/projection.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'

/** The members of an operation that a job carries. */
export interface Startable {
  readonly id: string
  readonly kind: string
  readonly lane: string | null
  readonly priority: number
  /** Where it is to be tried again: the attempt that failed. */
  readonly state?: string
  readonly attempt?: number
}

/** The part of the operations view that the relay asks. */
export interface RelayQueries {
  row(id: string): Startable | undefined
  laneHolder(lane: string): string | undefined
  nextInLane(lane: string, now: number): Startable | undefined
}

export interface Relay {
  start(): void
  stop(): void
}

export const jobOf = ({ id, kind, lane, priority, state, attempt }: Startable): Job => ({
  operationId: id,
  kind,
  key: lane ?? id,
  priority,
  ...(state === 'retrying' && attempt !== undefined ? { waitedAfter: attempt } : {}),
})

const lanePrefix = 'lane-'

/**
 * From the log to the bus: follows behind the operations view, so that whoever is rung finds the operation there, and rings for
 * what may start now. What becomes due later, and what nobody heard, is the supervisor's.
 */
export const createRelay = ({
  bus,
  projections,
  queries,
  clock,
  logger,
}: {
  readonly bus: JobBus
  readonly projections: Projections
  readonly queries: RelayQueries
  readonly clock: Clock
  readonly logger: Logger
}): Relay => {
  let end: (() => void) | undefined

  /** The next operation of a free lane. */
  const nextIn = (lane: string): Startable | undefined =>
    queries.laneHolder(lane) === undefined ? queries.nextInLane(lane, clock.now()) : undefined

  const isLater = (at: unknown): boolean => typeof at === 'string' && parseInstant(at) > clock.now()

  const startable = (event: RecordedEvent): Startable | undefined => {
    const { stream, type, data } = event
    if (type === 'LaneReleased') return nextIn(stream.slice(lanePrefix.length))
    const id = operationOf(event)
    switch (type) {
      case 'OperationRequested':
        if (isLater(data.runAt)) return undefined
        if (typeof data.lane === 'string') return nextIn(data.lane)
        return { id, kind: String(data.kind), lane: null, priority: Number(data.priority) }
      case 'OperationAttemptFailed':
        return isLater(data.retryAt) ? undefined : queries.row(id)
      case 'OperationCancelled': {
        // It may have been the next in a free lane, and rung in vain.
        const lane = queries.row(id)?.lane
        return lane == null ? undefined : nextIn(lane)
      }
      default:
        return undefined
    }
  }

  const ring = (events: readonly RecordedEvent[]): void => {
    const jobs: Job[] = []
    for (const event of events) {
      if (!event.stream.startsWith(operationPrefix) && event.type !== 'LaneReleased') continue
      const found = startable(event)
      if (found !== undefined) jobs.push(jobOf(found))
    }
    if (jobs.length === 0) return
    bus.publish(jobs).catch((error: unknown) => logger.warn({ err: error, jobs: jobs.length }, 'the bus took no jobs'))
  }

  return {
    start: () => {
      end ??= projections.onApplied(ring)
    },
    stop: () => {
      end?.()
      end = undefined
    },
  }
}

/** Whether an event ends its operation. */
export const isTerminal = (type: string): boolean => (terminalTypes as readonly string[]).includes(type)
