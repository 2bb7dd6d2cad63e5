import type { Logger } from 'pino'
import type { CommandContext, Executor } from '../../commands/execute.ts'
import { operation } from '../../commands/operation.ts'
import { type ScheduleState, schedule, scheduleStream } from '../../commands/schedules/schedule.ts'
import type { Schedules } from '../../commands/schedules/schedules.ts'
import { firingId, newestSlots } from '../../commands/schedules/slots.ts'
import type { SubmitRefusal } from '../../commands/submit.ts'
import type { Actor } from '../../events/define.ts'
import { operationOf, operationPrefix } from '../../events/operation.ts'
import { type ScheduleDefinition, schedulePrefix } from '../../events/schedule.ts'
import { type Clock, instant } from '../../lib/clock.ts'
import { SecretForgotten } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { createRecent } from '../../lib/recent.ts'
import { operationSchedule } from '../../projections/operations/operation-schedule.ts'
import type { Projections } from '../../projections/projection.ts'
import { type DueSchedule, scheduleQueries } from '../../projections/schedules.ts'
import type { EventLog, Position, RecordedEvent } from '../../stores/event-log.ts'
import { createDueTimer, type DueTimer } from '../engine/due-timer.ts'
import { isTerminal } from '../engine/relay.ts'
import { longestQueue, mostCaughtUp, type Plan, plan } from './plan.ts'

export interface FiringPorts {
  readonly log: EventLog
  readonly executor: Executor
  readonly schedules: Pick<Schedules, 'fire'>
  readonly projections: Projections
  readonly clock: Clock
  readonly logger: Logger
}

const actor: Actor = { principal: 'scheduler', face: null, address: null }
const views = { names: ['schedules', 'operations'] } as const
/** So many are worked on at a time: enough to share flushes of the log, few enough to let requests in between. */
const pageSize = 100
/** A clock that was set by less counts as right. */
const toleranceMs = 1_000

/**
 * Fires what is due; on one node at a time. Where two nodes believe for a moment to hold the office, or one is killed in the middle, the id
 * of a slot's operation is the same, and the log takes the first. What is due is asked of the view, whose firings are the operations
 * themselves: nothing has to be put right after a crash. Source: native contract, section 11.
 */
export const createFiringService = ({
  log,
  executor,
  schedules,
  projections,
  clock,
  logger,
}: FiringPorts): { start(): Promise<void>; stop(): Promise<void> } => {
  let timer: DueTimer | undefined
  let endFeed = (): void => {}
  /** Slots that were due before are missed: nobody was there to fire them, or the clock has leapt over them. */
  let awakeSince = 0
  /** Up to here everything due was looked at. */
  let lookedUpTo = 0
  let isCaughtUp = false
  /** The wall clock against the monotonic one. */
  let offset = 0
  /** Operations whose end lets a slot go on. */
  let awaited = new Set<string>()
  const caughtUp = createRecent<number>(1_000)

  const queries = () => scheduleQueries(projections.views('schedules'))
  const operations = () => operationSchedule(projections.views('operations'))

  const firstCaughtUp = (due: DueSchedule, last: number): number => {
    const key = `${due.uid} ${last}`
    const first = caughtUp.get(key) ?? newestSlots(due, due.slot, last, mostCaughtUp)
    caughtUp.set(key, first)
    caughtUp.age()
    return first
  }

  const contextOf = (due: DueSchedule, commandId: string): CommandContext => ({
    commandId,
    actor: { ...actor, face: due.key.owner },
    correlationId: commandId,
    causationId: due.definedBy,
  })

  /** The view masks secrets, so that these are read from the log. */
  const definitionOf = async (due: DueSchedule): Promise<ScheduleDefinition | undefined> => {
    if (!due.hasSecrets) return { ...due.definition, input: queries().inputOf(due.id) as never }
    const { state } = await executor.load(schedule as never, scheduleStream(due.key))
    const found = state as ScheduleState
    return found.status === 'live' && found.uid === due.uid ? found.definition : undefined
  }

  const skip = async (due: DueSchedule, slot: number, reason: string): Promise<Position | null> => {
    const { key, uid } = due
    const command = { type: 'SkipSlot', key, uid, slot: instant(slot), reason } as const
    const outcome = await executor.execute(schedule, command, contextOf(due, newId()))
    logger.info({ schedule: key.name, slot: instant(slot), reason }, 'a slot of a schedule was skipped')
    return outcome.refused ? null : outcome.position
  }

  const fire = async (due: DueSchedule, { slot, lane, cancel }: Extract<Plan, { do: 'fire' }>): Promise<Position | null> => {
    const definition = await definitionOf(due)
    if (definition === undefined) return null
    const id = firingId(due.uid, slot)
    for (const other of cancel) {
      const reason = `the schedule ${due.key.name} fires again`
      await executor.execute(operation, { type: 'CancelOperation', id: other, reason }, contextOf(due, newId()))
    }
    try {
      const firing = { key: due.key, definition, slot, ...(lane === undefined ? {} : { lane }) }
      const fired = await schedules.fire(firing, contextOf(due, id))
      if (fired.refused !== undefined) return await skip(due, slot, wordsOf(fired.refused))
      if (fired.position === null) throw new Error(`the view does not show yet that operation ${id} was requested`)
      return fired.position
    } catch (error) {
      if (error instanceof SecretForgotten) return skip(due, slot, error.message)
      throw error
    }
  }

  /** Where the view stands after this; null where nothing was recorded. */
  const settle = async (due: DueSchedule, now: number): Promise<Position | null> => {
    const active = operations().activeOfSchedule(due.key.owner, due.key.name, longestQueue)
    const planned = plan(due, { now, awakeSince, active, firstCaughtUp })
    switch (planned.do) {
      case 'fire':
        return fire(due, planned)
      case 'skip':
        return skip(due, planned.slot, planned.reason)
      case 'wait':
        for (const id of planned.for) awaited.add(id)
        return null
    }
  }

  /** An interval goes on from the new time where the clock was set back; else nothing would be fired until it has come so far again. */
  const restartIntervals = async (): Promise<void> => {
    for (let ahead = queries().intervalsAhead(clock.now(), toleranceMs, pageSize); ahead.length > 0 && timer !== undefined; ) {
      let last: Position | null = null
      for (const due of ahead) {
        const command = { type: 'RestartInterval', key: due.key, uid: due.uid, from: instant(clock.now()) } as const
        const outcome = await executor.execute(schedule, command, contextOf(due, newId()))
        if (outcome.refused === undefined && outcome.position !== null) last = outcome.position
      }
      const isShown = last !== null && (await projections.reached(last, views))
      ahead = isShown ? queries().intervalsAhead(clock.now(), toleranceMs, pageSize) : []
    }
  }

  /** Whether the clock was set since the last look. */
  const lookAtClock = (): 'set back' | 'right' => {
    const before = offset
    offset = clock.now() - clock.monotonic()
    if (offset - before > toleranceMs) awakeSince = clock.now()
    return before - offset > toleranceMs ? 'set back' : 'right'
  }

  /** Looks at everything that is due once. Answers whether something was recorded and the view shows it, so that more may be due. */
  const pass = async (): Promise<{ readonly moved: boolean; readonly failed: boolean }> => {
    // In one turn: a clock that leaps forward in between would make what it leaps over look late instead of missed.
    const clockWas = lookAtClock()
    const now = clock.now()
    if (clockWas === 'set back') await restartIntervals()
    let last: Position | null = null
    let failed = false
    for (let page = queries().due(now, pageSize); page.length > 0 && timer !== undefined; ) {
      const positions = await Promise.all(
        page.map((due) =>
          settle(due, now).catch((error: unknown) => {
            failed = true
            logger.warn({ err: error, schedule: due.key.name }, 'a slot of a schedule was not fired; it is tried again')
            return null
          }),
        ),
      )
      for (const position of positions) if (position !== null && (last === null || position > last)) last = position
      const end = page.at(-1)
      page = page.length < pageSize || end === undefined ? [] : queries().due(now, pageSize, end)
    }
    lookedUpTo = now
    if (last === null) return { moved: false, failed }
    const isShown = await projections.reached(last, views)
    return { moved: isShown, failed: failed || !isShown }
  }

  const work = async (): Promise<boolean> => {
    if (!isCaughtUp) {
      isCaughtUp = await projections.reached(await log.head(), views)
      if (!isCaughtUp) return false
      await restartIntervals()
    }
    awaited = new Set()
    for (;;) {
      const { moved, failed } = await pass()
      if (failed) return false
      if (!moved) return true
    }
  }

  const concerns = ({ stream, type }: RecordedEvent): boolean =>
    stream.startsWith(schedulePrefix) ||
    (isTerminal(type) && stream.startsWith(operationPrefix) && awaited.has(operationOf({ stream })))

  return {
    start: async () => {
      awakeSince = clock.now()
      offset = clock.now() - clock.monotonic()
      isCaughtUp = false
      timer = createDueTimer({
        clock,
        work,
        nextDueAt: () => queries().nextDueAt(lookedUpTo),
        failed: (error) => logger.error({ err: error }, 'schedules could not be looked at; trying again'),
      })
      endFeed = projections.onApplied((events) => {
        if (events.some(concerns)) timer?.look()
      })
      timer.look()
    },
    stop: async () => {
      endFeed()
      const stopping = timer?.stop()
      timer = undefined
      await stopping
    },
  }
}

const wordsOf = (refused: SubmitRefusal): string => {
  switch (refused.reason) {
    case 'unknown-kind':
      return `unknown-kind: there is no kind ${refused.kind}`
    case 'kind-faulty':
      return `kind-faulty: ${refused.fault.file}${refused.fault.pointer && ` at ${refused.fault.pointer}`}: ${refused.fault.message}`
    case 'kind-not-submittable':
      return `kind-not-submittable: operations of the kind ${refused.kind} can be submitted through their own face only`
    case 'invalid':
      return `invalid: ${refused.errors.map(({ pointer, message }) => `${pointer}: ${message}`).join(', ')}`
  }
}
