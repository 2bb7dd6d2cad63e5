import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { Unacceptable, Unavailable } from '../../lib/errors.ts'
import { encodeAppend } from '../encode-append.ts'
import type {
  Appended,
  EventLog,
  Expected,
  Filter,
  NewEvent,
  ReadAllOptions,
  ReadStreamOptions,
  RecordedEvent,
  SubscribeOptions,
} from '../event-log.ts'
import { origin, type Position } from '../event-log.ts'
import { isKeyStream } from '../hidden-streams.ts'
import { createAppender } from './append/append.ts'
import { createOrderedAppender, type OrderedAppender } from './append/ordered-append.ts'
import type { EventStoreDbConnection } from './client.ts'
import { createForget } from './forget.ts'
import { fromPosition } from './positions.ts'
import { createFollow } from './read/follow-log.ts'
import { createReader, isNarrow, pageEvents } from './read/reader.ts'
import { createHub, type Hub } from './read/shared-subscription.ts'
import { isSystemType, toStoredMetadata } from './read/stored-metadata.ts'

export interface EventStoreDbLogOptions {
  readonly connection: EventStoreDbConnection
  readonly appendTimeoutMs: number
  readonly clock: Clock
  readonly logger: Logger
  /** How many of the newest events stay in memory for those who follow the log. */
  readonly tailEvents?: number
}

const tailEventsDefault = 8192

/** Events of another log, with the times of their recording there. */
export interface CopiedAppend {
  readonly stream: string
  readonly expected: Expected
  readonly events: readonly (NewEvent & Pick<RecordedEvent, 'recordedAt'>)[]
}

export interface EventStoreDbLog extends EventLog {
  /** Like `append`, for events that were recorded elsewhere before: they keep their `recordedAt`, and the log the order of the appends. */
  appendCopied(appends: readonly CopiedAppend[]): Promise<void>
}

/**
 * The event log on an EventStoreDB server from 23.10 on. Beyond what every log promises:
 *
 * - A repeated append with an explicit expected revision or `noStream` is recognised for ever; with `any` and `streamExists`
 *   among the last 128 events of its stream.
 * - An append that the server does not answer is `Unavailable` after three times `appendTimeoutMs`.
 * - `subscribe` without checkpoints is filtered by the server where nobody in this process follows the whole log.
 * - `subscribe` from a position beyond the head begins at the head. It goes on when the server comes back, for ever.
 * - `forget` hides at once and for good; the bytes go with the server's next scavenge. A stream that is made again goes on with the
 *   revisions of the forgotten one.
 * - A server whose log ends before what it had given (it was restored from a backup) is `Unavailable` from then on, for this process.
 * - `close` lets the appends that are under way finish; later ones are `Unavailable`. The connection stays open.
 */
export const createEventStoreDbLog = ({
  connection,
  appendTimeoutMs,
  clock,
  logger,
  tailEvents = tailEventsDefault,
}: EventStoreDbLogOptions): EventStoreDbLog => {
  const reader = createReader({ connection, clock })
  const appender = createAppender({ connection, reader, appendTimeoutMs, clock })
  const forget = createForget({ connection, appender, reader, appendTimeoutMs, clock })
  /** Decisions based on the earlier log are void: every read and append fails from now on. */
  let lost: Error | undefined
  const onLost = (fault: Error): void => {
    lost = fault
  }
  const hub = createHub({ connection, reader, clock, logger, mostEvents: tailEvents, onLost })
  const follow = createFollow({ hub, reader, clock })
  /** Subscriptions filtered by the server, by their filter: for those who follow a part where nobody here follows the whole. */
  const parts = new Map<string, { readonly hub: Hub; readonly follow: typeof follow }>()
  const followPart = (filter: Filter): typeof follow => {
    const key = JSON.stringify(filter)
    const known = parts.get(key)
    if (known !== undefined) return known.follow
    const own = createHub({ connection, reader, clock, logger, mostEvents: tailEvents, filter, onLost })
    const part = { hub: own, follow: createFollow({ hub: own, reader, clock }) }
    parts.set(key, part)
    return part.follow
  }
  const followFor = ({ filter, withoutCheckpoints }: SubscribeOptions): typeof follow =>
    withoutCheckpoints && filter !== undefined && isNarrow(filter) && !hub.isRunning() ? followPart(filter) : follow

  const end = new AbortController()
  let closed: Promise<void> | undefined

  const mustBeOpen = (): void => {
    if (closed !== undefined) throw new Unavailable('the log is closed')
    if (lost !== undefined) throw lost
  }

  const append = async (stream: string, expected: Expected, events: readonly NewEvent[]): Promise<Appended> => {
    mustBeOpen()
    // Events of one command share their metadata object, and what is stored of it.
    const stored = new Map<unknown, NewEvent['metadata']>()
    const given = events.map((event) => {
      const metadata = stored.get(event.metadata) ?? toStoredMetadata(event.metadata)
      stored.set(event.metadata, metadata)
      return { ...event, metadata }
    })
    return appender.append(encodeAppend(stream, expected, given))
  }

  let ordered: OrderedAppender | undefined
  const appendCopied = async (appends: readonly CopiedAppend[]): Promise<void> => {
    mustBeOpen()
    ordered ??= createOrderedAppender({ connection, appender, answerWithinMs: appendTimeoutMs, clock })
    await ordered.append(
      appends.map(({ stream, expected, events }) => {
        const given = events.map(({ id, type, data, metadata, recordedAt }) => ({
          id,
          type,
          data,
          metadata: toStoredMetadata(metadata, recordedAt),
        }))
        return encodeAppend(stream, expected, given)
      }),
    )
  }

  async function* readStream(
    stream: string,
    { from, backwards = false, limit = Number.POSITIVE_INFINITY }: ReadStreamOptions = {},
  ) {
    let next = firstRevision(from, backwards)
    let left = limit
    while (left > 0 && next !== undefined) {
      mustBeOpen()
      const { events, more } = await reader.stream(stream, { from: next, backwards, limit: left })
      for (const event of events) {
        if (isSystemType(event.type)) continue
        left -= 1
        yield event
      }
      const last = events.at(-1)
      if (!more || last === undefined) return
      next = backwards ? (last.revision === 0 ? undefined : last.revision - 1) : last.revision + 1
    }
  }

  async function* readAll({ after, backwards = false, filter, limit = Number.POSITIVE_INFINITY }: ReadAllOptions = {}) {
    mustBeOpen()
    if (after !== undefined) fromPosition(after)
    let left = limit
    if (backwards) {
      // Beyond the head the server knows no positions.
      let before: Position | 'end' = after === undefined || after > (await reader.head()) ? 'end' : after
      while (left > 0) {
        mustBeOpen()
        const { events, reached, end } = await reader.backwards({ before, limit: left }, filter)
        yield* events
        left -= events.length
        if (end) return
        before = reached
      }
      return
    }
    // Events appended after the call are left out, or a reader of a busy log would never reach the end.
    const upTo = await reader.head()
    let low = after ?? origin
    while (left > 0 && low < upTo) {
      mustBeOpen()
      const { events, reached, end } = await reader.forwards({ after: low, upTo, limit: Math.min(left, pageEvents) }, filter)
      yield* events
      left -= events.length
      if (end) return
      low = reached
    }
  }

  const close = async (): Promise<void> => {
    end.abort()
    await appender.close()
    ordered?.close()
    await Promise.all([hub, ...[...parts.values()].map((part) => part.hub)].map((each) => each.close()))
  }

  return {
    append,
    appendCopied,
    readStream,
    readAll,
    subscribe: (options: SubscribeOptions) =>
      followFor(options)({ ...options, signal: AbortSignal.any([options.signal, end.signal]) }),
    head: async () => {
      mustBeOpen()
      return reader.head()
    },
    keepsForgotten: 'chunks of the EventStoreDB log, until they are scavenged (POST /admin/scavenge; the newest chunk never is)',
    forget: async (stream) => {
      mustBeOpen()
      if (!isKeyStream(stream)) throw new Unacceptable(`only key streams can be forgotten, not ${stream}`)
      await forget(stream)
    },
    close: () => {
      closed ??= close()
      return closed
    },
  }
}

/** Undefined where there is nothing to read. */
const firstRevision = (from: ReadStreamOptions['from'], backwards: boolean): number | 'end' | undefined => {
  if (from === 'start') return 0
  if (from === 'end') return backwards ? 'end' : undefined
  if (from === undefined) return backwards ? 'end' : 0
  if (!Number.isSafeInteger(from) || from < 0) throw new Unacceptable(`${from} is not a revision`)
  return from
}
