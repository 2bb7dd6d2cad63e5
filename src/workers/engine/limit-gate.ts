import type { Logger } from 'pino'
import type { CommandContext, Executor } from '../../commands/execute.ts'
import { operation } from '../../commands/operation.ts'
import { admissionStream } from '../../events/admission.ts'
import type { Actor } from '../../events/define.ts'
import { limitPrefix } from '../../events/limit.ts'
import { operationOf } from '../../events/operation.ts'
import type { Clock } from '../../lib/clock.ts'
import { RevisionConflict } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { nextTurn } from '../../lib/time-slice.ts'
import { whileUnavailable } from '../../lib/while-unavailable.ts'
import { keysOf, type Limit } from '../../projections/operations/limits.ts'
import type { OperationRow } from '../../projections/operations/operation-row.ts'
import type { DueOperation } from '../../projections/operations/operation-schedule.ts'
import type { Projections } from '../../projections/projection.ts'
import type { EventLog, NewEvent, Position, RecordedEvent } from '../../stores/event-log.ts'
import type { Leases } from '../../stores/leases.ts'
import { createStartWindows, type StartQueries } from './start-windows.ts'
import { createWaitingLines, type Line } from './waiting-lines.ts'

/** The part of the operations view that the gate asks. Instants are milliseconds since the epoch. */
export interface GateQueries {
  row(id: string): OperationRow | undefined
  laneHolder(lane: string): string | undefined
  nextInLane(lane: string, now: number): DueOperation | undefined
  readonly limits: StartQueries & {
    running(key: string): number
    admitted(key: string): number
    limit(key: string): Limit | undefined
    hasRates(): boolean
    lastAdmission(): number
    nextAtGate(gate: string, now: number, count: number): readonly DueOperation[]
    gates(): readonly string[]
    gatesDue(since: number, now: number): readonly string[]
    admittedOperations(count: number): readonly DueOperation[]
  }
}

/** Lets operations with limits start, on the node that has relay and supervisor. Source: native contract, section 13. */
export interface LimitGate {
  /** This one may start as soon as its limits let it. */
  offer(operation: DueOperation): void
  /** Whether one that was admitted may still start: a limit may have been changed meanwhile. */
  mayRing(operation: Pick<DueOperation, 'limits'>): boolean
  /** Looks at what has become due since the last call. */
  lookAtDue(): void
  /** Looks at everything anew: at the beginning of a term, and in each sweep. */
  review(): void
  start(): void
  stop(): Promise<void>
}

/** Admissions of one append. */
const mostAtATime = 200
/** Operations of a line that are known ahead. */
const knownAhead = 50
const catchUpPauseMs = 50
/** How soon workers of a kind that nobody took are looked for again. */
const untakenMs = 250
/** An admitted operation that cannot start, because no live worker takes its kind or its lane is held, gives its room back after this. */
const stuckMs = 10_000
const linesPerTurn = 100
const system: Actor = { principal: 'supervisor', face: null, address: null }

export const createLimitGate = ({
  log,
  executor,
  projections,
  queries,
  leases,
  clock,
  logger,
}: {
  readonly log: EventLog
  readonly executor: Executor
  readonly projections: Projections
  readonly queries: GateQueries
  readonly leases: Leases
  readonly clock: Clock
  readonly logger: Logger
}): LimitGate => {
  const lines = createWaitingLines()
  const windows = createStartWindows({ queries: queries.limits, clock })
  /** Lines whose first operations are to be looked up. */
  const moving = new Set<Line>()
  /** Limits that may have more room. */
  const freed = new Set<string>()
  /** Limits that may have let in too many. */
  const changed = new Set<string>()
  const timers = new Map<string, () => void>()
  /** Since when admitted operations cannot start, by the monotonic clock. */
  let stuck = new Map<string, number>()
  let isReviewing = false
  let dueUpTo = clock.now()
  let endFeed: (() => void) | undefined
  let isStopped = false
  let working: Promise<void> | undefined

  const isTaken = (kind: string): boolean => leases.live(clock.monotonic()).some(({ kinds }) => kinds.includes(kind))

  /** How many more a limit lets in; `afterMs` is when there is more, where time alone gives it. A key without a limit lets everybody in. */
  const roomOf = (key: string): { readonly left: number; readonly afterMs: number | null } => {
    const limit = queries.limits.limit(key)
    if (limit === undefined) return { left: Number.POSITIVE_INFINITY, afterMs: null }
    const { concurrency, rate } = limit
    const admitted = queries.limits.admitted(key)
    const left = concurrency === null ? Number.POSITIVE_INFINITY : concurrency - admitted - queries.limits.running(key)
    if (rate === null) return { left, afterMs: null }
    const byRate = windows.room(key, rate, admitted)
    return byRate.left < left ? byRate : { left, afterMs: null }
  }

  const wakeAfter = (name: string, ms: number, then: () => void): void => {
    timers.get(name)?.()
    const cancel = clock.after(ms, () => {
      timers.delete(name)
      then()
      run()
    })
    timers.set(name, cancel)
  }

  const move = (gate: string, limits: string): void => {
    moving.add(lines.get(gate) ?? lines.open({ id: gate, gate }, undefined, limits))
  }

  const caughtUp = async (position: Position): Promise<void> => {
    while (!isStopped && !(await projections.reached(position, { names: ['operations'] }))) await clock.sleep(catchUpPauseMs)
  }

  /** Appends at a revision of the stream of admissions; false where another node was faster. */
  const append = async (revision: number, events: readonly NewEvent[]): Promise<boolean> => {
    const appendNow = async (): Promise<boolean> => {
      try {
        const { position } = await log.append(admissionStream, revision < 0 ? 'noStream' : revision, events)
        await caughtUp(position)
        return true
      } catch (error) {
        if (!(error instanceof RevisionConflict)) throw error
        await caughtUp(await log.head())
        return false
      }
    }
    const isAppended = await whileUnavailable(appendNow, {
      clock,
      goesOn: () => !isStopped,
      onFailure: (error) => logger.warn({ err: error }, 'the log did not answer an admission; trying again'),
    })
    return isAppended ?? false
  }

  const event = (type: string, data: NewEvent['data'], correlationId: string): NewEvent => ({
    id: newId(),
    type,
    data,
    metadata: { correlationId, actor: system, schema: 1 },
  })

  /** What time it is by the log is told by any event; where none came since the term began, this one does. */
  const learnTime = async (): Promise<void> => {
    if (windows.knowsTime() || !queries.limits.hasRates()) return
    await append(queries.limits.lastAdmission(), [event('AdmissionsResumed', {}, newId())])
  }

  const hold = async ({ id, attempt, admission }: DueOperation): Promise<Position | null> => {
    const correlationId = queries.row(id)?.correlation_id ?? id
    const context: CommandContext = { commandId: newId(), actor: system, correlationId }
    const outcome = await executor.execute(
      operation,
      { type: 'HoldAttempt', id, attempt: attempt + 1, admission: admission ?? -1 },
      context,
    )
    return outcome.refused ? null : outcome.position
  }

  /** Takes admissions back: none of these attempts has started. */
  const holdAll = async (operations: readonly DueOperation[]): Promise<void> => {
    if (operations.length === 0) return
    await Promise.all(operations.map(hold))
    await caughtUp(await log.head())
  }

  /** A limit that became smaller takes back what it let in and did not start yet, the last ones first. */
  const settleChanged = async (): Promise<void> => {
    const keys = [...changed]
    changed.clear()
    for (const key of keys) {
      freed.add(key)
      const excess = -roomOf(key).left
      if (excess <= 0) continue
      const admitted = queries.limits.admittedOperations(Number.MAX_SAFE_INTEGER)
      await holdAll(admitted.filter((one) => keysOf(one).includes(key)).slice(0, excess))
    }
  }

  /** Admitted operations that could not start for a while let others go before. */
  const settleStuck = async (): Promise<void> => {
    const now = clock.monotonic()
    const cannotStart = queries.limits.admittedOperations(mostAtATime).filter(({ id, kind, lane }) => {
      const holder = lane === null ? undefined : queries.laneHolder(lane)
      return !isTaken(kind) || (holder !== undefined && holder !== id)
    })
    stuck = new Map(cannotStart.map(({ id }) => [id, stuck.get(id) ?? now]))
    await holdAll(cannotStart.filter(({ id }) => now - (stuck.get(id) ?? now) >= stuckMs))
  }

  const reviewAll = async (): Promise<void> => {
    await settleStuck()
    for (const gate of queries.limits.gates()) {
      if (lines.get(gate) !== undefined) continue
      const [first] = queries.limits.nextAtGate(gate, Number.MAX_SAFE_INTEGER, 1)
      if (first?.limits != null) move(gate, first.limits)
    }
    for (const key of lines.keys()) freed.add(key)
  }

  /** The lines whose first operations are known now, and have workers. */
  const lookUp = async (): Promise<readonly Line[]> => {
    const known: Line[] = []
    let looked = 0
    const now = clock.now()
    for (const line of moving) {
      moving.delete(line)
      if (line.gate !== null) {
        line.next = [...queries.limits.nextAtGate(line.gate, now, knownAhead)]
        line.goesOn = line.next.length === knownAhead
      }
      const [first] = line.next
      if (first === undefined) lines.close(line)
      else if (isTaken(first.kind)) known.push(line)
      else wakeAfter(`untaken ${line.id}`, untakenMs, () => lines.get(line.id) === line && moving.add(line))
      looked += 1
      if (looked % linesPerTurn === 0) await nextTurn()
    }
    return known
  }

  const mayStart = ({ id }: DueOperation, { gate }: Line): boolean => {
    const row = queries.row(id)
    if (row === undefined || row.ready_at === null || row.admission !== null) return false
    if (gate !== null) return row.gate === gate
    if (row.lane === null) return true
    const holder = queries.laneHolder(row.lane)
    return holder === undefined ? queries.nextInLane(row.lane, clock.now())?.id === id : holder === id
  }

  const admit = async (ready: readonly Line[]): Promise<void> => {
    const keys = [...freed]
    freed.clear()
    const left = (key: string): number => {
      const room = roomOf(key)
      if (room.left <= 0 && room.afterMs !== null) wakeAfter(`limit ${key}`, room.afterMs, () => freed.add(key))
      return room.left
    }
    // No other turn comes between these reads: what they say holds at this revision of the stream.
    const revision = queries.limits.lastAdmission()
    const { operations, unfinished } = lines.serve({ moving: ready, freed: keys, left, mayStart, most: mostAtATime })
    const events = operations.flatMap(({ id }) => {
      const row = queries.row(id)
      if (row === undefined) return []
      return event('AttemptAdmitted', { operation: id, attempt: row.attempt + 1 }, row.correlation_id)
    })
    for (const line of unfinished) {
      if (line.behind !== null) freed.add(line.behind)
      else if (line.goesOn || line.next.length > 0) moving.add(line)
      else if (!moving.has(line)) lines.close(line)
    }
    if (events.length > 0 && !(await append(revision, events))) forget()
  }

  /** Begins anew, from what the view says. */
  const forget = (): void => {
    lines.clear()
    moving.clear()
    freed.clear()
    isReviewing = true
  }

  const hasNews = (): boolean => moving.size > 0 || freed.size > 0 || changed.size > 0 || isReviewing

  const work = async (): Promise<void> => {
    while (hasNews() && !isStopped) {
      try {
        await learnTime()
        await settleChanged()
        if (isReviewing) {
          isReviewing = false
          await reviewAll()
        }
        await admit(await lookUp())
      } catch (error) {
        logger.error({ err: error }, 'limits were not looked at; the next sweep looks again')
        forget()
        isReviewing = false
      }
    }
    working = undefined
  }

  const run = (): void => {
    if (!isStopped && hasNews()) working ??= work()
  }

  const watchOne = ({ type, stream }: RecordedEvent): void => {
    switch (type) {
      case 'LimitSet':
      case 'LimitRemoved':
        if (stream.startsWith(limitPrefix)) changed.add(stream.slice(limitPrefix.length))
        return
      case 'OperationStarted':
      case 'OperationAttemptFailed':
      case 'OperationSucceeded':
      case 'OperationFailed':
      case 'OperationCancelled':
      case 'OperationTimedOut':
      case 'OperationHeld': {
        if (lines.all.size === 0 && windows.isIdle() && type !== 'OperationHeld') return
        const row = queries.row(operationOf({ stream }))
        if (row === undefined || row.limits === null) return
        for (const key of keysOf(row)) {
          if (type === 'OperationStarted') windows.note(key)
          if (lines.standBehind(key)) freed.add(key)
        }
        if (type === 'OperationHeld' && row.gate !== null) move(row.gate, row.limits)
        // It may have been the first of its line.
        else if (type === 'OperationCancelled') {
          const line = lines.get(`${row.limits}${row.kind}`)
          if (line !== undefined) moving.add(line)
        }
      }
    }
  }

  return {
    offer: (one) => {
      if (one.limits === null) return
      const isDue = one.since <= clock.now()
      if (one.lane === null && one.gate !== null && isDue) {
        const line = lines.get(one.gate)
        const [first] = line?.next ?? []
        const last = line?.next.at(-1)
        if (line?.behind == null || first === undefined || last === undefined || before(one, first)) move(one.gate, one.limits)
        else {
          // It stands between those that are known, or behind them: looked up when the ones before it have gone.
          if (before(one, last)) line.next = [first]
          line.goesOn = true
        }
      } else {
        // One at a time of a lane; and one that has waited for long enough although the clock, which was set back, denies it.
        const id = one.lane === null ? `operation ${one.id}` : `lane ${one.lane}`
        const line = lines.get(id)
        if (line !== undefined && line.next[0]?.id === one.id) return
        if (line !== undefined) lines.close(line)
        moving.add(lines.open({ id, gate: null }, one, one.limits))
      }
      run()
    },
    mayRing: (one) => {
      const over = keysOf(one).filter((key) => roomOf(key).left < 0)
      for (const key of over) changed.add(key)
      if (over.length > 0) run()
      return over.length === 0
    },
    lookAtDue: () => {
      const now = clock.now()
      for (const gate of queries.limits.gatesDue(Math.min(dueUpTo, now), now)) {
        const [first] = queries.limits.nextAtGate(gate, now, 1)
        if (first?.limits != null) move(gate, first.limits)
      }
      dueUpTo = now
      run()
    },
    review: () => {
      isReviewing = true
      run()
    },
    start: () => {
      endFeed ??= projections.onApplied((events) => {
        const last = events.at(-1)
        if (last !== undefined) windows.observe(last.recordedAt)
        for (const one of events) watchOne(one)
        if (hasNews()) run()
      })
    },
    stop: async () => {
      isStopped = true
      endFeed?.()
      for (const cancel of timers.values()) cancel()
      await working
    },
  }
}

const before = (one: DueOperation, other: DueOperation): boolean =>
  one.priority < other.priority || (one.priority === other.priority && one.seq < other.seq)
