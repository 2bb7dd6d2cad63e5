import { LRUCache } from 'lru-cache'
import type { Actor } from '../events/define.ts'
import type { Clock } from '../lib/clock.ts'
import { RevisionConflict, Unavailable } from '../lib/errors.ts'
import { eventId, randomFraction } from '../lib/ids.ts'
import type { JsonObject } from '../lib/json.ts'
import type { EventLog, NewEvent, Position, RecordedEvent } from '../stores/event-log.ts'
import { createBacklog } from './backlog.ts'
import type { Decider } from './decider.ts'
import { createTurns } from './stream-turns.ts'

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
  /** The same as it was known here last, perhaps behind the log; read only where it is not known. */
  readonly recall: <Event, State>(decider: Decider<never, Event, State, unknown>, stream: string) => Promise<Known<State>>
  /** Takes the first event of a stream from a follower of the log, so that the first command on the stream needs no read. */
  readonly learn: <Event, State>(decider: Decider<never, Event, State, unknown>, event: RecordedEvent) => void
  /** Whether so many commands wait for the log that one more request would only wait with them. */
  readonly isBehind: () => boolean
}

interface Known<State> {
  readonly state: State
  readonly revision: number
  /** The stream's first event, without its data: who asked for all this. Undefined where the decider remembers the last event alone. */
  readonly first: Pick<NewEvent, 'id' | 'metadata'> | undefined
  /** About how many bytes the events took from which the state was made. */
  readonly weight: number
}

type Terminal<State> = Pick<Decider<never, never, State, unknown>, 'isTerminal'>

const conflictTries = 5
const unknownOutcomeTries = 5
/** If the log itself tried for this long, the command fails at once instead of trying again. */
const longestUnknownMs = 10_000
const firstPauseMs = 5
const schemaVersion = 1
const cachedBytes = 64 * 1024 * 1024

/**
 * The one command handler: load, decide, append at the revision that was read; on a conflict read and decide again. Commands on one
 * stream take turns, so that only other processes can cause a conflict.
 * States stay cached at their known revision, so that the next command on a stream reads nothing.
 * A cached state may be behind the log where other processes write too: an append finds out by itself, a refusal and a
 * "nothing to do" are only given on a state that was read after the call.
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
  const cache = new LRUCache<string, Known<unknown>>({
    max: cachedStates,
    maxSize: cachedBytes,
    sizeCalculation: ({ weight }) => weight + 500,
  })

  /** Two appends may settle in either order: only a newer state replaces an older one. */
  const remember = <State>({ isTerminal }: Terminal<State>, stream: string, known: Known<State>): void => {
    // Ended streams are not cached: every later command is refused, and refusals always re-read.
    if (isTerminal?.(known.state)) cache.delete(stream)
    else if (known.revision >= 0 && known.revision >= (cache.peek(stream)?.revision ?? -1)) cache.set(stream, known)
  }

  /** The state at the end of the stream, going on from an older one where there is one. */
  const read = async <State>(
    decider: Decider<never, never, State, unknown>,
    stream: string,
    since: Known<State> = unseen(decider),
  ): Promise<Known<State>> => {
    const last = decider.memory === 'last'
    let { state, revision, first, weight } = since
    const options = last ? ({ from: 'end', backwards: true, limit: 1 } as const) : { from: since.revision + 1 }
    for await (const event of log.readStream(stream, options)) {
      state = decider.evolve(last ? decider.initial : state, event as never)
      revision = event.revision
      if (revision === 0 && !last) first = { id: event.id, metadata: event.metadata }
      weight = (last ? 0 : weight) + keptWeight(decider, event)
    }
    const known = { state, revision, first, weight }
    remember(decider, stream, known)
    return known
  }

  /** An append whose outcome is unknown is repeated verbatim: the same ids at the same revision count once. */
  const append: EventLog['append'] = async (stream, expected, events) => {
    const until = clock.monotonic() + longestUnknownMs
    for (let attempt = 1; ; attempt++) {
      try {
        return await log.append(stream, expected, events)
      } catch (error) {
        if (!(error instanceof Unavailable) || attempt >= unknownOutcomeTries || clock.monotonic() >= until) throw error
        await clock.sleep(firstPauseMs * 2 ** attempt * (1 + randomFraction()))
      }
    }
  }

  const carryOut = async <Command, Event extends { type: string; data: unknown }, State, Refusal>(
    stream: string,
    decider: Decider<Command, Event, State, Refusal>,
    command: Command,
    context: CommandContext,
    options: ExecuteOptions = {},
  ): Promise<Outcome<State, Refusal>> => {
    const cached = cache.get(stream) as Known<State> | undefined
    const made = decider.creates?.(command) ? unseen(decider) : undefined
    let known = cached ?? made ?? (await read<State>(decider as never, stream))
    let isFresh = cached === undefined
    for (let attempt = 1; ; ) {
      const { state, revision } = known
      const pinned = options.pinnedRevision
      const decision = decider.decide(command, state)
      const isStopped = 'refused' in decision || decision.events.length === 0 || (pinned !== undefined && pinned !== revision)
      if (isStopped && !isFresh) {
        known = await read<State>(decider as never, stream, known)
        isFresh = true
        continue
      }
      if ('refused' in decision) return { refused: decision.refused, state, revision }
      if (pinned !== undefined && pinned !== revision)
        return { refused: { reason: 'version-mismatch', expected: pinned, actual: revision }, state, revision }
      if (decision.events.length === 0) return { state, revision, position: null }
      const events = envelopes(decision.events, context)
      try {
        const appended = await append(stream, revision < 0 ? 'noStream' : revision, events)
        const next = decision.events.reduce(decider.evolve, state)
        const weight = decision.events.reduce((sum, event) => sum + keptWeight(decider, event), known.weight)
        const first = decider.memory === 'last' || revision >= 0 ? known.first : events[0]
        remember(decider, stream, {
          state: next,
          revision: appended.revision,
          first: first && { id: first.id, metadata: first.metadata },
          weight,
        })
        return { state: next, revision: appended.revision, position: appended.position }
      } catch (error) {
        cache.delete(stream)
        if (!(error instanceof RevisionConflict) || attempt >= conflictTries) throw error
        await clock.sleep(firstPauseMs * attempt * randomFraction())
        known = await read<State>(decider as never, stream)
        isFresh = true
        attempt++
      }
    }
  }

  const takeTurn = createTurns(clock)
  const backlog = createBacklog(clock)
  const execute: Execute = (decider, command, context, options) => {
    const stream = decider.streamOf(command)
    return backlog.during(takeTurn(stream, () => carryOut(stream, decider, command, context, options)))
  }

  return {
    execute,
    isBehind: backlog.isLong,
    load: async (decider, stream) => {
      const cached = cache.get(stream) as Known<typeof decider.initial> | undefined
      return await read<typeof decider.initial>(decider as never, stream, cached)
    },
    recall: async (decider, stream) => {
      const cached = cache.get(stream) as Known<typeof decider.initial> | undefined
      return cached ?? (await read<typeof decider.initial>(decider as never, stream))
    },
    learn: (decider, event) => {
      const { stream, revision, id, metadata } = event
      if (revision !== 0 || cache.has(stream)) return
      const state = decider.evolve(decider.initial, event as never)
      remember(decider as never, stream, { state, revision, first: { id, metadata }, weight: keptWeight(decider, event) })
    },
  }
}

const unseen = <State>({ initial }: { readonly initial: State }): Known<State> => ({
  state: initial,
  revision: -1,
  first: undefined,
  weight: 0,
})

/** Event ids derive from the command, so that the same command decided twice is recorded once. */
const envelopes = (
  events: readonly { readonly type: string; readonly data: unknown }[],
  { commandId, actor, correlationId, causationId, traceparent }: CommandContext,
): NewEvent[] =>
  events.map(({ type, data }, index) => ({
    id: eventId(commandId, index),
    type,
    data: data as JsonObject,
    metadata: {
      correlationId,
      ...(causationId === undefined ? {} : { causationId }),
      actor,
      schema: schemaVersion,
      ...(traceparent === undefined ? {} : { traceparent }),
    },
  }))

/** About how many bytes of an event's data stay in the state. */
const keptWeight = ({ keeps }: { keeps?(event: never): boolean }, event: { readonly data: unknown }): number =>
  keeps?.(event as never) === false ? 0 : weightOf(event.data)

/** About how many bytes a JSON value takes in memory. */
const weightOf = (value: unknown): number => {
  if (typeof value === 'string') return 2 * value.length
  if (typeof value !== 'object' || value === null) return 8
  let weight = 16
  if (Array.isArray(value)) for (const item of value) weight += 16 + weightOf(item)
  else for (const name in value) weight += 16 + weightOf((value as Record<string, unknown>)[name])
  return weight
}
