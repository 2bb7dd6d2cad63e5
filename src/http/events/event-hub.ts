import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { type EventLog, origin, type Position, type RecordedEvent } from '../../stores/event-log.ts'

/** Someone who follows the log live. Both calls must return at once. */
export interface Follower {
  /** Events that came together, in log order; the array is the same for all followers. */
  take(events: readonly RecordedEvent[]): void
  /** Called often enough that a comment at each call keeps the connection open. */
  beat?(): void
  /** Called every two seconds: the time to see whether it may still follow. */
  check?(): void
}

/** One subscription for all followers: events that are committed together are read once and handed to each of them together. */
export interface EventHub {
  /** Position up to which followers were given everything. */
  position(): Position
  /** Resolves when the hub stands at, or behind, the present head and gives `follower` whatever comes. */
  join(follower: Follower): Promise<() => void>
  /** How many follow now. */
  size(): number
  close(): void
}

const checkMs = 2_000
/** A beat is every fifth check. */
const checksPerBeat = 5
const retryMs = 500
/** Larger bursts are handed over in parts. */
const mostTogether = 256

export const createEventHub = ({
  log,
  clock,
  logger,
}: {
  readonly log: EventLog
  readonly clock: Clock
  readonly logger: Logger
}): EventHub => {
  const followers = new Set<Follower>()
  const end = new AbortController()
  let at: Position = origin
  let started: Promise<void> | undefined
  let burst: RecordedEvent[] = []

  const flush = (): void => {
    const events = burst
    const last = events.at(-1)
    if (last === undefined) return
    burst = []
    at = last.position
    for (const follower of followers) follower.take(events)
  }

  /** The log yields the events of one commit without a pause, so the next tick comes after the last of them. */
  const hand = (event: RecordedEvent): void => {
    if (burst.length === 0) process.nextTick(flush)
    burst.push(event)
    if (burst.length >= mostTogether) flush()
  }

  const run = async (): Promise<void> => {
    while (!end.signal.aborted) {
      try {
        for await (const item of log.subscribe({ after: at, signal: end.signal })) {
          if (item.kind === 'event') hand(item.event)
          else if (item.position > at) {
            flush()
            at = item.position
          }
        }
      } catch (error) {
        flush()
        if (end.signal.aborted) return
        logger.warn({ err: error }, 'followers lost the connection to the log; trying again')
      }
      await clock.sleep(retryMs, end.signal).catch(() => undefined)
    }
  }

  const check = (count: number): void => {
    if (end.signal.aborted) return
    for (const follower of followers) {
      follower.check?.()
      if (count % checksPerBeat === 0) follower.beat?.()
    }
    clock.after(checkMs, () => check(count + 1))
  }

  const start = async (): Promise<void> => {
    at = await log.head()
    void run()
    clock.after(checkMs, () => check(1))
  }

  return {
    position: () => at,
    join: async (follower) => {
      started ??= start().catch((error) => {
        started = undefined
        throw error
      })
      await started
      followers.add(follower)
      return () => followers.delete(follower)
    },
    size: () => followers.size,
    close: () => end.abort(),
  }
}
