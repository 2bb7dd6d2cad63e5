import type { Logger } from 'pino'
import type { Job, JobBus } from '../../bus/job-bus.ts'
import type { CommandContext, Executor } from '../../commands/execute.ts'
import { lane as laneDecider } from '../../commands/lane.ts'
import { type OperationCommand, operation } from '../../commands/operation.ts'
import type { Actor } from '../../events/define.ts'
import { type Clock, parseInstant } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { DueOperation } from '../../projections/operations/operation-schedule.ts'
import type { Projections } from '../../projections/projection.ts'
import type { Position, RecordedEvent } from '../../stores/event-log.ts'
import type { Leases } from '../../stores/leases.ts'
import { createClockSteps } from './clock-steps.ts'
import type { LimitGate } from './limit-gate.ts'
import { createLostAttempts } from './lost-attempts.ts'
import { isHeld, isTerminal, jobOf } from './relay.ts'

interface Active {
  readonly id: string
  readonly attempt: number
}
interface Overdue extends Active {
  readonly started_at: number
  readonly deadline: number
}

/** The part of the operations view that the supervisor asks. Instants are milliseconds since the epoch. */
export interface SupervisorQueries {
  row(id: string): { readonly correlation_id: string } | undefined
  allDue(now: number): Iterable<readonly DueOperation[]>
  due(now: number, limit: number): readonly DueOperation[]
  nextDueAt(now: number): number | undefined
  orphans(live: readonly string[]): readonly Active[]
  overdue(now: number): readonly Overdue[]
  retriesBetween(now: number, until: number, upTo: string): readonly DueOperation[]
  nextRetryAfter(at: number, upTo: string): number | undefined
  latestFailure(): { readonly at: number; readonly position: Position } | undefined
  lanesHeldByFinished(): readonly { readonly lane: string; readonly operation: string }[]
}

export interface Supervisor {
  /**
   * Looks at everything once: attempts without a live worker are lost, overdue ones timed out, lanes of finished operations
   * released, and whatever may start is rung. Doing it twice changes nothing. Done before the server is ready.
   */
  sweep(): Promise<void>
  start(): void
  stop(): Promise<void>
}

const sweepMs = 2_000
/** A sweep over very many waiting operations takes at most about this share of the time. */
const pausePerSweep = 10
/** However long one took, such as one that waited for a bus that was away: lost work has to be found. */
const longestPauseMs = 15_000
/** The worker itself ends an attempt at its deadline; this long after it the supervisor does. */
const overdueGraceMs = 10_000
/** Operations that become due together are rung together. */
const shortestWaitMs = 5
const mostRung = 1_000
const system: Actor = { principal: 'supervisor', face: null, address: null }

/** Sees to it that no operation is forgotten: whatever is not finished has a live worker, a time to wait for, or is rung again. */
export const createSupervisor = ({
  bus,
  executor,
  projections,
  queries,
  gate,
  leases,
  clock,
  logger,
}: {
  readonly bus: JobBus
  readonly executor: Executor
  readonly projections: Projections
  readonly queries: SupervisorQueries
  /** Without one, operations with limits are not started. */
  readonly gate?: LimitGate | undefined
  readonly leases: Leases
  readonly clock: Clock
  readonly logger: Logger
}): Supervisor => {
  const stopping = new AbortController()
  let endFeed: (() => void) | undefined
  let cancelDue: (() => void) | undefined
  let cancelSweep: (() => void) | undefined
  /** By the monotonic clock. */
  let armedAt = Number.POSITIVE_INFINITY
  /** The last event that was heard of. */
  let heard: Position = ''
  /** Why the last sweep failed: a bus may be away for hours, and a sweep comes every two seconds. */
  let failing: string | undefined
  const steps = createClockSteps(clock)
  let working: Promise<void> = Promise.resolve()

  /** One thing at a time: sweeps and releases only ever wait for each other. */
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const done = working.then(work)
    working = done.catch(() => undefined)
    return done
  }

  const contextFor = (operationId: string): CommandContext => ({
    commandId: newId(),
    actor: system,
    correlationId: queries.row(operationId)?.correlation_id ?? operationId,
  })

  /** Carries out one command per item of each page until there is no more, waiting for the view in between. */
  const drain = async <Item>(
    find: () => readonly Item[] | Promise<readonly Item[]>,
    settle: (item: Item) => Promise<Position | null>,
  ): Promise<void> => {
    for (let items = await find(); items.length > 0 && !stopping.signal.aborted; items = await find()) {
      const settled = await Promise.all(
        items.map((item) =>
          settle(item).catch((error: unknown) => {
            logger.warn({ err: error, item }, 'the supervisor could not handle this operation now')
            return null
          }),
        ),
      )
      const last = settled
        .filter((position) => position !== null)
        .sort()
        .at(-1)
      // Nothing moved: the view is behind, or the log does not answer. The next sweep looks again.
      if (last === undefined || !(await projections.reached(last, { names: ['operations'] }))) return
    }
  }

  const end = async (command: OperationCommand): Promise<Position | null> => {
    const outcome = await executor.execute(operation, command, contextFor(command.id))
    if (outcome.refused) return null
    logger.info({ operationId: command.id, command: command.type }, 'an attempt was ended by the supervisor')
    return outcome.position
  }

  const orphans = createLostAttempts({ queries, leases, clock })

  const loseOrphans = (): Promise<void> =>
    drain(orphans, ({ id, attempt }) => end({ type: 'LoseAttempt', id, attempt, now: clock.now() }))

  const timeOutOverdue = (): Promise<void> =>
    drain(
      () => {
        const now = clock.now() - overdueGraceMs
        // A clock that was set forward has not made anybody work longer.
        return queries.overdue(now).filter(({ started_at, deadline }) => deadline + steps.setForwardSince(started_at) <= now)
      },
      ({ id, attempt }) => end({ type: 'TimeOutAttempt', id, attempt }),
    )

  const releaseLanes = (): Promise<void> =>
    drain(
      () => queries.lanesHeldByFinished(),
      async ({ lane, operation: holder }) => {
        const outcome = await executor.execute(laneDecider, { type: 'ReleaseLane', lane, operation: holder }, contextFor(holder))
        return outcome.refused ? null : outcome.position
      },
    )

  const ring = async (operations: readonly DueOperation[]): Promise<void> => {
    const jobs: Job[] = []
    for (const one of operations) {
      if (isHeld(one)) gate?.offer(one)
      else jobs.push(jobOf(one))
    }
    if (jobs.length > 0) await bus.publish(jobs)
  }

  const ringAll = async (): Promise<void> => {
    for (const page of queries.allDue(clock.now())) {
      if (stopping.signal.aborted) return
      await ring(page)
      await clock.sleep(0)
    }
    await ring(waitedEnough(clock.now()))
  }

  /** Retries that are not due by the clock because it was set back after their failure, and would be without that. */
  const waitedEnough = (now: number): readonly DueOperation[] =>
    steps.setBack().flatMap(({ ms, upTo }) => queries.retriesBetween(now, now + ms, upTo))

  /** Instants that the view holds when this begins may be those of a clock that was set back since: no pause is longer than it was meant. */
  const lookBack = (): void => {
    const failure = queries.latestFailure()
    if (failure === undefined) return
    heard = failure.position
    const toCome = failure.at - clock.now()
    if (toCome > 0) steps.setBackBefore({ ms: toCome, upTo: failure.position })
  }

  const sweepNow = async (): Promise<void> => {
    steps.look(heard)
    await loseOrphans()
    await timeOutOverdue()
    await releaseLanes()
    gate?.review()
    await ringAll()
  }

  const armIn = (ms: number): void => {
    const at = clock.monotonic() + Math.max(shortestWaitMs, ms)
    if (at >= armedAt || stopping.signal.aborted) return
    cancelDue?.()
    armedAt = at
    cancelDue = clock.after(at - clock.monotonic(), () => void ringDue())
  }

  /** `since` is the moment up to which everything due has been rung: nothing may fall between two looks at the clock. */
  const armNext = (since = clock.now()): void => {
    const next = queries.nextDueAt(since)
    if (next !== undefined) armIn(next - clock.now())
    for (const step of steps.setBack()) {
      const late = queries.nextRetryAfter(since + step.ms, step.upTo)
      if (late !== undefined) armIn(late - step.ms - clock.now())
      else if (queries.nextRetryAfter(since, step.upTo) === undefined) steps.forget(step)
    }
  }

  const ringDue = async (): Promise<void> => {
    armedAt = Number.POSITIVE_INFINITY
    try {
      steps.look(heard)
      const now = clock.now()
      const due = [...queries.due(now, mostRung), ...waitedEnough(now)]
      armNext(now)
      gate?.lookAtDue()
      await ring(due)
    } catch (error) {
      logger.warn({ err: error }, 'workers were not woken for due operations; the next sweep wakes them')
    }
  }

  const watch = (events: readonly RecordedEvent[]): void => {
    let mayHoldLane = false
    steps.look(heard)
    heard = events.at(-1)?.position ?? heard
    for (const { type, data } of events) {
      const at = type === 'OperationAttemptFailed' ? data.retryAt : type === 'OperationRequested' ? data.runAt : null
      if (typeof at === 'string' && parseInstant(at) > clock.now()) armIn(parseInstant(at) - clock.now())
      // Work that succeeded has a worker that releases its lane; what ended otherwise may have had none.
      if (isTerminal(type) && type !== 'OperationSucceeded') mayHoldLane = true
    }
    if (mayHoldLane) inTurn(releaseLanes).catch((error: unknown) => logger.warn({ err: error }, 'lanes were not released'))
  }

  const planSweep = (afterMs: number): void => {
    if (stopping.signal.aborted) return
    cancelSweep = clock.after(afterMs, async () => {
      const begun = clock.monotonic()
      let pauseMs = 0
      try {
        await inTurn(sweepNow)
        armNext()
        failing = undefined
        pauseMs = Math.min(pausePerSweep * (clock.monotonic() - begun), longestPauseMs)
      } catch (error) {
        // It waited for something that is away, and did no work that would have to be paid for.
        if (messageOf(error) !== failing) logger.error({ err: error }, 'the sweep failed')
        failing = messageOf(error)
      }
      planSweep(Math.max(untilLeaseEnds(), pauseMs))
    })
  }

  /** A worker that does not renew its lease is found out as soon as it has run out. */
  const untilLeaseEnds = (): number => {
    const now = clock.monotonic()
    const first = leases.live(now).reduce((least, { until }) => Math.min(least, until), now + sweepMs)
    return Math.max(shortestWaitMs, first - now + shortestWaitMs)
  }

  return {
    sweep: () => inTurn(sweepNow),
    start: () => {
      if (endFeed !== undefined) return
      lookBack()
      endFeed = projections.onApplied(watch)
      armNext()
      planSweep(sweepMs)
    },
    stop: async () => {
      stopping.abort()
      endFeed?.()
      cancelDue?.()
      cancelSweep?.()
      await working
    },
  }
}
