import { LRUCache } from 'lru-cache'
import type { Actor } from '../events/define.ts'
import type { Clock } from '../lib/clock.ts'
import { RevisionConflict, Unavailable } from '../lib/errors.ts'
import { eventId, randomFraction } from '../lib/ids.ts'
import type { JsonObject } from '../lib/json.ts'
import type { EventLog, Position } from '../stores/event-log.ts'
import type { Decider } from './decider.ts'

/** Where a command comes from; it becomes the metadata of every event that the command causes. */
export interface CommandContext {
  /** Event ids derive from it: the same command executed twice is recorded once. */
  readonly commandId: string
  readonly actor: Actor
  readonly correlationId: string
  readonly causationId?: string
  readonly traceparent?: string
}

export interface Accepted<State> {
  readonly refused?: undefined
  readonly state: State
  readonly revision: number
  /** Null where nothing had to be appended. */
  readonly position: Position | null
}
export interface Refused<State, Refusal> {
  readonly refused: Refusal | { readonly reason: 'version-mismatch'; readonly expected: number; readonly actual: number }
  readonly state: State
  readonly revision: number
}
export type Outcome<State, Refusal> = Accepted<State> | Refused<State, Refusal>

export interface ExecuteOptions {
  /** The caller saw this revision (`If-Match`) and wants no other. */
  readonly pinnedRevision?: number
}

export type Execute = <Command, Event extends { type: string; data: unknown }, State, Refusal>(
  decider: Decider<Command, Event, State, Refusal>,
  command: Command,
  context: CommandContext,
  options?: ExecuteOptions,
) => Promise<Outcome<State, Refusal>>

export interface Executor {
  readonly execute: Execute
  /** State and revision of a stream as the decider folds it; revision -1 where it does not exist. */
  readonly load: <Event, State>(decider: Decider<never, Event, State, unknown>, stream: string) => Promise<Known<State>>
}

interface Known<State> {
  readonly state: State
  readonly revision: number
}

const conflictTries = 5
const unknownOutcomeTries = 5
const firstPauseMs = 5
const schemaVersion = 1

/**
 * The one command handler: load, decide, append at the revision that was read; on a conflict read and decide again.
 * States stay cached at their known revision, so that the next command on a stream reads nothing.
 */
export const createExecutor = ({
  log,
  clock,
  cachedStates = 10_000,
}: {
  readonly log: EventLog
  readonly clock: Clock
  readonly cachedStates?: number
}): Executor => {
  const cache = new LRUCache<string, Known<unknown>>({ max: cachedStates })

  const read = async <State>(decider: Decider<never, never, State, unknown>, stream: string): Promise<Known<State>> => {
    let state = decider.initial
    let revision = -1
    const options = decider.memory === 'last' ? ({ from: 'end', backwards: true, limit: 1 } as const) : {}
    for await (const event of log.readStream(stream, options)) {
      state = decider.evolve(state, event as never)
      revision = event.revision
    }
    const known = { state, revision }
    if (revision >= 0) cache.set(stream, known)
    return known
  }

  /** An append whose outcome is unknown is repeated verbatim: the same ids at the same revision count once. */
  const append: EventLog['append'] = async (stream, expected, events) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await log.append(stream, expected, events)
      } catch (error) {
        if (!(error instanceof Unavailable) || attempt >= unknownOutcomeTries) throw error
        await clock.sleep(firstPauseMs * 2 ** attempt * (1 + randomFraction()))
      }
    }
  }

  const execute: Execute = async (decider, command, context, options = {}) => {
    const stream = decider.streamOf(command)
    let known = cache.get(stream) as Known<typeof decider.initial> | undefined
    known ??= decider.creates?.(command) ? { state: decider.initial, revision: -1 } : await read(decider as never, stream)
    for (let attempt = 1; ; attempt++) {
      const { state, revision } = known
      const pinned = options.pinnedRevision
      const decision = decider.decide(command, state)
      if ('refused' in decision) return { refused: decision.refused, state, revision }
      if (pinned !== undefined && pinned !== revision)
        return { refused: { reason: 'version-mismatch', expected: pinned, actual: revision }, state, revision }
      if (decision.events.length === 0) return { state, revision, position: null }
      const metadata = {
        correlationId: context.correlationId,
        ...(context.causationId === undefined ? {} : { causationId: context.causationId }),
        actor: context.actor,
        schema: schemaVersion,
        ...(context.traceparent === undefined ? {} : { traceparent: context.traceparent }),
      }
      const events = decision.events.map((event, index) => ({
        id: eventId(context.commandId, index),
        type: event.type,
        data: event.data as JsonObject,
        metadata,
      }))
      try {
        const appended = await append(stream, revision < 0 ? 'noStream' : revision, events)
        const next = { state: decision.events.reduce(decider.evolve, state), revision: appended.revision }
        cache.set(stream, next)
        return { ...next, position: appended.position }
      } catch (error) {
        cache.delete(stream)
        if (!(error instanceof RevisionConflict) || attempt >= conflictTries) throw error
        await clock.sleep(firstPauseMs * attempt * randomFraction())
        known = await read(decider as never, stream)
      }
    }
  }

  return {
    execute,
    load: async (decider, stream) =>
      (cache.get(stream) as Known<typeof decider.initial> | undefined) ?? (await read(decider as never, stream)),
  }
}
