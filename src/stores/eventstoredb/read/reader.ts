import { type AllStreamResolvedEvent, eventTypeFilter, type ResolvedEvent, streamNameFilter } from '@eventstore/db-client'
import type { Clock } from '../../../lib/clock.ts'
import { Unacceptable } from '../../../lib/errors.ts'
import { matches } from '../../event-filter.ts'
import { type Filter, origin, type Position, type RecordedEvent } from '../../event-log.ts'
import { isHidden } from '../../hidden-streams.ts'
import { createCallLimit } from '../call-limit.ts'
import type { EventStoreDbConnection } from '../client.ts'
import { faultOf, unavailable } from '../faults.ts'
import { fromPosition, toPosition } from '../positions.ts'
import { collect } from './collect.ts'
import { isSystemType, sizeOf, toRecorded } from './stored-metadata.ts'

/** Events per call and characters in one: what is held in memory at a time. */
export const pageEvents = 512
const pageSize = 4 * 1024 * 1024
/** Events that a filter passes over on the server before it says how far it is. */
const searchWindow = 512
const windowsPerCheckpoint = 16
/** Calls at a time; the rest of the connection's hundred is for appends and for those who follow. */
const readsAtATime = 20
const idleMs = 10_000

/** A stretch of the log: what is visible and matches in it, and from where to go on. `end`: nothing more lies within the bounds. */
export interface Page {
  readonly events: readonly RecordedEvent[]
  readonly reached: Position
  readonly end: boolean
}

export interface Bounds {
  /** Exclusive. */
  readonly after: Position
  /** Inclusive; not beyond the head. */
  readonly upTo: Position
  readonly limit: number
}

export interface StreamPage {
  /** System events among them. */
  readonly events: readonly RecordedEvent[]
  /** Whether the page is full: the stream may go on. */
  readonly more: boolean
}

/** Reads pages; every call is over when it answers. Throws `Unavailable`, and `Unacceptable` for a place that is none. */
export interface Reader {
  stream(name: string, options: { from: number | 'end'; backwards: boolean; limit: number }): Promise<StreamPage>
  forwards(bounds: Bounds, filter?: Filter): Promise<Page>
  /** The newest first, before `before`; `reached` is the new `before`. */
  backwards(options: { before: Position | 'end'; limit: number }, filter?: Filter): Promise<Page>
  /** The position of the last event that is not the server's own; hidden ones count. */
  head(): Promise<Position>
  /** The position of the log's very last event, the server's own included. */
  end(): Promise<Position>
}

export const createReader = ({
  connection,
  clock,
}: {
  readonly connection: EventStoreDbConnection
  readonly clock: Clock
}): Reader => {
  const { client, callOptions } = connection
  const calls = createCallLimit(readsAtATime)

  const guarded = async <Result>(read: () => Promise<Result>, what = '$all'): Promise<Result> => {
    try {
      return await calls.run(read)
    } catch (error) {
      if (error instanceof Unacceptable || isNoPlace(error)) throw new Unacceptable('this is not a position of this log')
      throw unavailable(connection, 'cannot be read', error, `read ${what}`)
    }
  }

  const stream: Reader['stream'] = (name, { from, backwards, limit }) =>
    guarded(async () => {
      // The server takes no empty name.
      if (name === '') return { events: [], more: false }
      const most = Math.min(limit, pageEvents)
      const events: RecordedEvent[] = []
      let size = 0
      const source = client.readStream(name, {
        ...callOptions,
        direction: backwards ? 'backwards' : 'forwards',
        fromRevision: from === 'end' ? 'end' : BigInt(from),
        maxCount: most,
      })
      const take = ({ event }: ResolvedEvent): boolean => {
        if (event === undefined) return false
        events.push(toRecorded(event))
        size += sizeOf(event)
        return size >= pageSize
      }
      try {
        const outcome = await collect({ source, cancel: () => source.cancel(), take, most, idleMs, clock }).outcome
        return { events, more: outcome === 'enough' || events.length >= most }
      } catch (error) {
        if (['stream-not-found', 'stream-deleted'].includes(faultOf(error))) return { events: [], more: false }
        throw error
      }
    }, name)

  /** Whatever lies in the stretch, filtered here: the server's reads cannot filter. */
  const plain = async ({ after, upTo, limit }: Bounds, filter: Filter | undefined): Promise<Page> => {
    const events: RecordedEvent[] = []
    // The place itself is given once more.
    const most = Math.min(limit, pageEvents) + 1
    const at = fromPosition(after)
    let reached = after
    let size = 0
    let end = false
    let seen = 0
    const source = client.readAll({ ...callOptions, direction: 'forwards', fromPosition: at, maxCount: most })
    const take = ({ event }: AllStreamResolvedEvent): boolean => {
      seen += 1
      if (event === undefined) return false
      const position = toPosition(event.position)
      if (position <= after) return false
      if (position > upTo) {
        end = true
        return true
      }
      reached = position
      size += sizeOf(event)
      if (isVisible(event.streamId, event.type) && matches(filter, { stream: event.streamId, type: event.type }))
        events.push(toRecorded(event))
      end = position === upTo
      return end || size >= pageSize || events.length >= limit
    }
    const outcome = await collect({ source, cancel: () => source.cancel(), take, most, idleMs, clock }).outcome
    if (outcome === 'ended' && seen < most) end = true
    return { events, reached: end ? upTo : reached, end }
  }

  /** The same filtered on the server, by a subscription that ends where the stretch ends. */
  const filtered = async ({ after, upTo, limit }: Bounds, filter: Filter): Promise<Page> => {
    const events: RecordedEvent[] = []
    const most = Math.min(limit, pageEvents)
    let reached = after
    let size = 0
    let end = false
    const finish = (): void => {
      end = true
      collection.stop()
    }
    /** A reported position counts only after all events before it were consumed. */
    const afterThem = async (act: () => void): Promise<void> => {
      while (source.readableLength > 0 && !source.destroyed) await new Promise((resolve) => setImmediate(resolve))
      act()
    }
    const options = {
      maxSearchWindow: searchWindow,
      checkpointInterval: windowsPerCheckpoint,
      checkpointReached: (_: unknown, place: { commit: bigint; prepare: bigint }) =>
        afterThem(() => {
          const position = toPosition(place)
          collection.progress()
          if (position >= upTo) finish()
          else if (position > reached) {
            reached = position
            collection.stop()
          }
        }),
    }
    const source = client.subscribeToAll({
      ...callOptions,
      fromPosition: fromPosition(after),
      filter:
        'typePrefixes' in filter
          ? eventTypeFilter({ ...options, prefixes: [...filter.typePrefixes] })
          : streamNameFilter({ ...options, prefixes: [...filter.streamPrefixes] }),
    })
    const take = ({ event }: AllStreamResolvedEvent): boolean => {
      if (event === undefined) return false
      const position = toPosition(event.position)
      if (position <= after) return false
      if (position > upTo) {
        end = true
        return true
      }
      reached = position
      size += sizeOf(event)
      if (isVisible(event.streamId, event.type)) events.push(toRecorded(event))
      end = position === upTo
      return end || size >= pageSize || events.length >= most
    }
    const collection = collect<AllStreamResolvedEvent>({ source, cancel: () => source.unsubscribe(), take, idleMs, clock })
    // Everything up to the end of the log was given, and `upTo` is not beyond it.
    source.on('caughtUp', () => void afterThem(finish))
    if ((await collection.outcome) === 'ended') throw new Error('the subscription ended')
    return { events, reached: end ? upTo : reached, end }
  }

  const forwards: Reader['forwards'] = async (bounds, filter) => {
    if (bounds.after >= bounds.upTo || bounds.limit <= 0 || isEmpty(filter))
      return { events: [], reached: bounds.upTo, end: true }
    return guarded(async () => {
      if (filter === undefined || isWide(filter)) return plain(bounds, filter)
      try {
        return await filtered(bounds, filter)
      } catch (error) {
        // A subscription from a position that is none fails without a reason (23.10) or with a code of many meanings; the read tells.
        if (!['unknown', 'invalid-argument'].includes(faultOf(error))) throw error
        return plain(bounds, filter)
      }
    })
  }

  const backwards: Reader['backwards'] = async ({ before, limit }, filter) => {
    if (before === origin || limit <= 0 || isEmpty(filter)) return { events: [], reached: origin, end: true }
    return guarded(async () => {
      const events: RecordedEvent[] = []
      const most = filter === undefined ? Math.min(limit, pageEvents) : pageEvents
      let reached = before
      let size = 0
      let seen = 0
      const fromPlace = before === 'end' ? 'end' : fromPosition(before)
      const source = client.readAll({ ...callOptions, direction: 'backwards', fromPosition: fromPlace, maxCount: most })
      const take = ({ event }: AllStreamResolvedEvent): boolean => {
        seen += 1
        if (event === undefined) return false
        const { streamId: stream, type } = event
        reached = toPosition(event.position)
        size += sizeOf(event)
        if (isVisible(stream, type) && matches(filter, { stream, type })) events.push(toRecorded(event))
        return size >= pageSize || events.length >= limit
      }
      const outcome = await collect({ source, cancel: () => source.cancel(), take, most, idleMs, clock }).outcome
      const end = outcome === 'ended' && seen < most
      return { events, reached: end || reached === 'end' ? origin : reached, end }
    })
  }

  /** What the last search for the head saw: the log's very last event, the server's own included, and the head at that time. */
  let known = { last: origin, head: origin }

  const findHead = async (): Promise<Position> => {
    let before: Position | 'end' = 'end'
    let last: Position | undefined
    // One event nearly always; more where the server wrote some of its own.
    for (let most = 1; ; most = Math.min(most * 16, pageEvents)) {
      let head: Position | undefined
      let seen = 0
      const source = client.readAll({
        ...callOptions,
        direction: 'backwards',
        fromPosition: before === 'end' ? 'end' : fromPosition(before),
        maxCount: most,
      })
      const take = ({ event }: AllStreamResolvedEvent): boolean => {
        seen += 1
        if (event === undefined) return false
        const position = toPosition(event.position)
        // The log was restored to an earlier state: results found before that are void.
        if (last === undefined && position < known.last) known = { last: origin, head: origin }
        last ??= position
        before = position
        if (position <= known.last) head = known.head
        else if (!isSystemType(event.type)) head = position
        return head !== undefined
      }
      await collect({ source, cancel: () => source.cancel(), take, most, idleMs, clock }).outcome
      if (head === undefined && seen < most) head = origin
      if (head === undefined) continue
      known = { last: last ?? origin, head }
      return head
    }
  }

  let finding: Promise<Position> | undefined
  let next: Promise<Position> | undefined
  /** Calls during a request share the next request. */
  const head = (): Promise<Position> => {
    if (finding === undefined) {
      finding = guarded(findHead).finally(() => {
        finding = undefined
      })
      return finding
    }
    next ??= finding
      .catch(() => undefined)
      .then(() => {
        next = undefined
        return head()
      })
    return next
  }

  const end = async (): Promise<Position> => {
    await head()
    return known.last
  }

  return { stream, forwards, backwards, head, end }
}

const isVisible = (stream: string, type: string): boolean => !isSystemType(type) && !isHidden(stream)

const prefixesOf = (filter: Filter): readonly string[] => ('typePrefixes' in filter ? filter.typePrefixes : filter.streamPrefixes)

const isEmpty = (filter: Filter | undefined): boolean => filter !== undefined && prefixesOf(filter).length === 0

/** The empty beginning is everything's. */
const isWide = (filter: Filter): boolean => prefixesOf(filter).includes('')

/** Whether the server can apply this filter. */
export const isNarrow = (filter: Filter): boolean => !isEmpty(filter) && !isWide(filter)

/**
 * What the server answers to a position that lies inside a record: `InvalidPosition`, or up to 23.10 plain `Error`. Newer ones say `Error >>`
 * and a reason for what is another fault.
 */
const isNoPlace = (error: unknown): boolean =>
  faultOf(error) === 'unknown' && error instanceof Error && /ReadAllResult: (InvalidPosition|Error(?! *>>))/.test(error.message)
