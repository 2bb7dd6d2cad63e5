import { type AllStreamResolvedEvent, eventTypeFilter, excludeSystemEvents, streamNameFilter } from '@eventstore/db-client'
import type { Logger } from 'pino'
import type { Clock } from '../../../lib/clock.ts'
import { messageOf, Unavailable } from '../../../lib/errors.ts'
import { type Filter, origin, type Position, type RecordedEvent } from '../../event-log.ts'
import { isHidden } from '../../hidden-streams.ts'
import type { EventStoreDbConnection } from '../client.ts'
import { faultOf, reasonOf } from '../faults.ts'
import { fromPosition, toPosition } from '../positions.ts'
import type { Reader } from './reader.ts'
import { isSystemType, sizeOf, toRecorded } from './stored-metadata.ts'

/** Characters of text in memory. */
const mostSize = 64 * 1024 * 1024
/** Search windows between two checkpoints of the server. */
const windowsPerCheckpoint = 64
const firstRetryMs = 50
const longestRetryMs = 5_000
/** After a subscription that lasted this long, the next one starts without a pause. */
const steadyMs = 2_000
const secondLookMs = 2_000
/** Hidden events (lease renewals) move the position all the time: they wake waiting readers once a second at most. */
const hiddenWakeMs = 1_000

/**
 * The one subscription of the process to the whole log (or to what matches a filter), and the newest events in memory, shared by all who follow. It goes on for ever,
 * from the last event seen, with neither hole nor double. What falls off the old end is read from the server again.
 */
export interface Hub {
  /** Begins after `position`, the log's head; does nothing when it runs already. */
  start(position: Position): void
  isRunning(): boolean
  /** The last position that was given; hidden events count. */
  head(): Position
  /** Every visible event after this position up to the head is in memory. */
  floor(): Position
  /** At most `limit` visible events after `position` up to `upTo`; only from the floor on. */
  after(position: Position, upTo: Position, limit: number): readonly RecordedEvent[]
  /** Calls back once, when the head has moved or the hub is closed; the answer takes the call back. */
  onMove(wake: () => void): () => void
  close(): Promise<void>
}

interface Kept {
  readonly event: RecordedEvent
  readonly size: number
}

export const createHub = ({
  connection: { client, server, callOptions },
  reader,
  clock,
  logger,
  mostEvents,
  filter,
  onLost,
}: {
  readonly connection: EventStoreDbConnection
  readonly reader: Pick<Reader, 'end'>
  readonly clock: Clock
  readonly logger: Logger
  /** How many of the newest events stay in memory. */
  readonly mostEvents: number
  /** The server gives nothing else; the head is then the last event that matched. */
  readonly filter?: Filter | undefined
  /** The server's log ends before what it had given: nothing comes any more. */
  readonly onLost: (fault: Error) => void
}): Hub => {
  const end = new AbortController()
  let running: Promise<void> | undefined
  let head = origin
  let floor = origin
  /** From where the server is asked to go on: like `head`, or further where only its own events lie between. */
  let resume = origin
  let kept: Kept[] = []
  let size = 0
  let wakes = new Set<() => void>()
  let waking = false
  let cancelQuietWake: (() => void) | undefined
  let isLost = false

  const wakeAll = (): void => {
    waking = false
    cancelQuietWake?.()
    cancelQuietWake = undefined
    const woken = wakes
    wakes = new Set()
    for (const wake of woken) wake()
  }

  /** Once per turn, so that a burst is handed out as one batch. */
  const wakeSoon = (): void => {
    if (waking) return
    waking = true
    setImmediate(wakeAll)
  }

  /** Drops the older half: seldom, so that it costs next to nothing per event. */
  const shrink = (): void => {
    let drop = 0
    while (drop < kept.length && (kept.length - drop > mostEvents / 2 || size > mostSize / 2)) {
      size -= kept[drop]?.size ?? 0
      drop += 1
    }
    floor = kept[drop - 1]?.event.position ?? floor
    kept = kept.slice(drop)
  }

  const take = ({ event }: AllStreamResolvedEvent): void => {
    if (event === undefined || end.signal.aborted || isSystemType(event.type)) return
    const position = toPosition(event.position)
    if (position <= head) return
    head = position
    resume = position
    const hidden = isHidden(event.streamId)
    if (!hidden) {
      const weight = sizeOf(event)
      kept.push({ event: toRecorded(event), size: weight })
      size += weight
      if (kept.length > mostEvents || size > mostSize) shrink()
    }
    if (hidden && event.streamId.startsWith('lease-')) cancelQuietWake ??= clock.after(hiddenWakeMs, wakeAll)
    else wakeSoon()
  }

  const onServer = (options: Parameters<typeof excludeSystemEvents>[0]) => {
    if (filter === undefined) return excludeSystemEvents(options)
    if ('typePrefixes' in filter) return eventTypeFilter({ ...options, prefixes: [...filter.typePrefixes] })
    return streamNameFilter({ ...options, prefixes: [...filter.streamPrefixes] })
  }

  /**
   * A server never says that it was asked to begin beyond the end of its log: 23.10 goes on from the end, KurrentDB with what comes above the
   * asked place, and what is appended below it is missed in silence. Either way the log is no longer the one that was followed.
   */
  const endsBefore = async (position: Position): Promise<boolean> => {
    if ((await reader.end()) >= position) return false
    // A member that has just become the leader may be a moment behind.
    await clock.sleep(secondLookMs, end.signal)
    return (await reader.end()) < position
  }

  const follow = async (): Promise<Error> => {
    try {
      if (!(await endsBefore(resume))) return await followOnce()
    } catch (error) {
      return error instanceof Error ? error : new Error(messageOf(error))
    }
    isLost = true
    return new Unavailable(
      `the log of EventStoreDB at ${server} ends before ${resume}, which this process has read: events are gone. ` +
        'Was it restored from a backup? Start this process again',
    )
  }

  /** One subscription until it breaks. */
  const followOnce = (): Promise<Error> =>
    new Promise((resolve) => {
      const options = {
        checkpointInterval: windowsPerCheckpoint,
        checkpointReached: async (_: unknown, place: { commit: bigint; prepare: bigint }) => {
          while (source.readableLength > 0 && !source.destroyed) await new Promise((next) => setImmediate(next))
          const position = toPosition(place)
          if (position > resume) resume = position
        },
      }
      const source = client.subscribeToAll({
        ...callOptions,
        fromPosition: fromPosition(resume),
        filter: onServer(options),
      })
      const done = (error: Error): void => {
        end.signal.removeEventListener('abort', stop)
        source.unsubscribe().catch(() => undefined)
        resolve(error)
      }
      const stop = (): void => done(new Error('closed'))
      end.signal.addEventListener('abort', stop)
      source.on('data', take)
      // Stays for good: an error without a listener ends the process.
      source.on('error', done)
      source.on('end', () => done(new Error('the server ended the subscription')))
      source.on('close', () => done(new Error('the subscription was closed')))
    })

  const run = async (): Promise<void> => {
    let retryMs = firstRetryMs
    while (!end.signal.aborted) {
      const since = clock.monotonic()
      const before = head
      const error = await follow()
      if (end.signal.aborted) return
      if (isLost) {
        logger.error({ server }, error.message)
        return onLost(error)
      }
      if (head > before || clock.monotonic() - since >= steadyMs) retryMs = firstRetryMs
      // A burst is enough for the server to drop a subscriber; that is its way of slowing down, no fault.
      if (faultOf(error) === 'timeout') {
        logger.debug({ server, reason: messageOf(error) }, 'the subscription to the log works again')
        continue
      }
      logger.warn({ server, reason: reasonOf(error), retryMs }, 'the subscription to the log failed; subscribing again')
      await clock.sleep(retryMs, end.signal).catch(() => undefined)
      retryMs = Math.min(retryMs * 2, longestRetryMs)
    }
  }

  /** Index of the first kept event after `position`. */
  const indexAfter = (position: Position): number => {
    let low = 0
    let high = kept.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((kept[middle] as Kept).event.position <= position) low = middle + 1
      else high = middle
    }
    return low
  }

  return {
    start: (position) => {
      if (running !== undefined) return
      head = position
      floor = position
      resume = position
      running = run()
    },
    isRunning: () => running !== undefined,
    head: () => head,
    floor: () => floor,
    after: (position, upTo, limit) => {
      const start = indexAfter(position)
      const stop = upTo >= head ? kept.length : indexAfter(upTo)
      return kept.slice(start, Math.min(stop, start + limit)).map(({ event }) => event)
    },
    onMove: (wake) => {
      wakes.add(wake)
      return () => wakes.delete(wake)
    },
    close: async () => {
      end.abort()
      await running
      wakeAll()
    },
  }
}
