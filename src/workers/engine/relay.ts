import type { Logger } from 'pino'
import type { Job, JobBus } from '../../bus/job-bus.ts'
import { operationOf, operationPrefix, terminalTypes } from '../../events/operation.ts'
import { type Clock, parseInstant } from '../../lib/clock.ts'
import type { OperationRow } from '../../projections/operations/operation-row.ts'
import type { DueOperation } from '../../projections/operations/operation-schedule.ts'
import type { Projections } from '../../projections/projection.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'
import type { LimitGate } from './limit-gate.ts'

/** What a job is made of: an operation without limits that was just requested, or any that may start. */
export type Startable = DueOperation | Requested

interface Requested {
  readonly id: string
  readonly kind: string
  readonly lane: null
  readonly priority: number
  readonly limits: null
}

/** The part of the operations view that the relay asks. */
export interface RelayQueries {
  row(id: string): OperationRow | undefined
  laneHolder(lane: string): string | undefined
  nextInLane(lane: string, now: number): DueOperation | undefined
}

export interface Relay {
  start(): void
  stop(): void
}

export const jobOf = (one: Startable): Job => {
  const { id, kind, lane, priority } = one
  const job = { operationId: id, kind, key: lane ?? id, priority }
  if (!('attempt' in one)) return job
  return {
    ...job,
    ...(one.state === 'retrying' ? { waitedAfter: one.attempt } : {}),
    ...(one.admission === null ? {} : { admitted: { attempt: one.attempt + 1, number: one.admission } }),
  }
}

/** Whether an operation has to wait for its limits before it is rung for. */
export const isHeld = (one: Startable): one is DueOperation => one.limits !== null && one.admission === null

const lanePrefix = 'lane-'

/**
 * From the log to the bus: follows behind the operations view, so that whoever is rung finds the operation there, and rings for
 * what may start now. What becomes due later, and what nobody heard, is the supervisor's.
 */
export const createRelay = ({
  bus,
  projections,
  queries,
  gate,
  clock,
  logger,
}: {
  readonly bus: JobBus
  readonly projections: Projections
  readonly queries: RelayQueries
  /** Without one, operations with limits are not started. */
  readonly gate?: Pick<LimitGate, 'offer' | 'mayRing'> | undefined
  readonly clock: Clock
  readonly logger: Logger
}): Relay => {
  let end: (() => void) | undefined

  /** The next operation of a free lane. */
  const nextIn = (lane: string): DueOperation | undefined =>
    queries.laneHolder(lane) === undefined ? queries.nextInLane(lane, clock.now()) : undefined

  const isLater = (at: unknown): boolean => typeof at === 'string' && parseInstant(at) > clock.now()

  const waiting = (id: string): DueOperation | undefined => {
    const row = queries.row(id)
    return row?.ready_at == null ? undefined : { ...row, since: Math.max(row.requested_at, row.ready_at) }
  }

  const admitted = (id: string, admission: number): DueOperation | undefined => {
    const found = waiting(id)
    return found?.admission === admission && gate?.mayRing(found) === true ? found : undefined
  }

  const startable = (event: RecordedEvent): Startable | undefined => {
    const { stream, type, data } = event
    if (type === 'LaneReleased') return nextIn(stream.slice(lanePrefix.length))
    if (type === 'AttemptAdmitted') return admitted(String(data.operation), event.revision)
    const id = operationOf(event)
    switch (type) {
      case 'OperationRequested':
        if (isLater(data.runAt)) return undefined
        if (typeof data.lane === 'string') return nextIn(data.lane)
        if (data.limits !== undefined) return waiting(id)
        return { id, kind: String(data.kind), lane: null, priority: Number(data.priority), limits: null }
      case 'OperationAttemptFailed':
        return isLater(data.retryAt) ? undefined : waiting(id)
      case 'OperationHeld':
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
      if (!event.stream.startsWith(operationPrefix) && event.type !== 'LaneReleased' && event.type !== 'AttemptAdmitted') continue
      const found = startable(event)
      if (found === undefined) continue
      if (isHeld(found)) gate?.offer(found)
      else jobs.push(jobOf(found))
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
