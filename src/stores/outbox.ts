import type { Logger } from 'pino'
import type { Clock } from '../lib/clock.ts'
import { messageOf, RevisionConflict } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { type EventLog, type Filter, origin, type Position, type RecordedEvent } from './event-log.ts'
import { followInBatches } from './follow-in-batches.ts'
import type { Leadership } from './leadership.ts'

export interface OutboxOptions {
  readonly log: EventLog
  readonly leadership: Leadership
  /** One node at a time holds it; names the checkpoint too. */
  readonly office: string
  readonly filter?: Filter
  /** Where to begin when nothing was ever delivered: with the whole history, with what happens from the first start on, or after a position. */
  readonly beginning: 'origin' | 'head' | { readonly after: Position }
  /** Resolves when all of them, a few hundred at most, are delivered; when it rejects, they are given again after a while. */
  readonly deliver: (events: readonly RecordedEvent[], signal: AbortSignal) => Promise<void>
  /** Lets the log forget all but the newest events of a stream, where it can. Never rejects. */
  readonly keepShort: (stream: string) => Promise<void>
  readonly clock: Clock
  readonly logger: Logger
}

export interface Outbox {
  /** Resolves once it is decided where to begin: what is recorded from then on will be delivered. */
  start(): Promise<void>
  /** Resolves when the delivery under way has ended and its place is kept. */
  stop(): Promise<void>
}

interface Mark {
  readonly position: Position
  readonly revision: number
  /** Who kept it. */
  readonly term: string
}

const mostAtOnce = 500
/**
 * How often the checkpoint is stored: every 10 s where anything was delivered, every 1 s after 1,000 events. Rarely, and a crash
 * repeats more deliveries; often, and the log holds more checkpoints.
 */
const muchDelivered = 1_000
const markOftenMs = 1_000
const markEveryMs = 10_000
/** Where nothing was to be delivered: often enough for a restart, and rare because a mark moves the end of the log itself. */
const markQuietEveryMs = 600_000
const firstPauseMs = 500
const longestPauseMs = 10_000

/**
 * Carries events out of the log in its order, on one node at a time. The place up to which all is delivered is kept in a hidden
 * stream of the log, at least every ten seconds: after a crash the events since then are delivered again, none is left out.
 */
export const createOutbox = (options: OutboxOptions): Outbox => {
  const { log, leadership, office, filter, beginning, deliver, keepShort, clock, logger } = options
  const stream = `lease-follower-${office}`
  const stopping = new AbortController()
  let campaign: Promise<void> | undefined

  const lastMark = async (): Promise<Mark | undefined> => {
    for await (const { data, revision } of log.readStream(stream, { from: 'end', backwards: true, limit: 1 }))
      return { position: String(data.position), revision, term: String(data.term) }
    return undefined
  }

  const keep = async (position: Position, last: number, term: string): Promise<number> => {
    const actor = { principal: office, face: null, address: null }
    const mark = {
      id: newId(),
      type: 'Delivered',
      data: { position, term },
      metadata: { correlationId: office, actor, schema: 1 },
    }
    return (await log.append(stream, last < 0 ? 'noStream' : last, [mark])).revision
  }

  /** Calls until it succeeds; rejects only when `signal` aborts. */
  const untilDone = async <Result>(what: string, signal: AbortSignal, run: () => Promise<Result>): Promise<Result> => {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      signal.throwIfAborted()
      try {
        return await run()
      } catch (error) {
        if (signal.aborted) throw error
        logger.warn({ office, reason: messageOf(error), pauseMs }, `${what} failed; trying again`)
        await clock.sleep(pauseMs, signal)
      }
    }
  }

  const firstPosition = async (): Promise<Position> => {
    if (typeof beginning === 'object') return beginning.after
    return beginning === 'origin' ? origin : log.head()
  }

  /** The place to go on from; the first node ever to ask decides where that is. */
  const firstMark = async (): Promise<Mark> => {
    const known = await lastMark()
    if (known !== undefined) return known
    const position = await firstPosition()
    try {
      const term = newId()
      return { position, revision: await keep(position, -1, term), term }
    } catch (error) {
      if (error instanceof RevisionConflict) return firstMark()
      throw error
    }
  }

  const lead = async (signal: AbortSignal): Promise<void> => {
    const begin = await untilDone('reading where to go on', signal, firstMark)
    const term = newId()
    let { revision } = begin
    let kept = begin.position
    let reached = begin.position
    let keptAt = clock.monotonic()
    let unmarked = 0
    void keepShort(stream)

    /** False where another node has written meanwhile: this one was frozen and no longer holds the office. */
    const mark = async (): Promise<boolean> => {
      if (reached === kept) return true
      try {
        revision = await keep(reached, revision, term)
        kept = reached
        keptAt = clock.monotonic()
        unmarked = 0
        return true
      } catch (error) {
        if (!(error instanceof RevisionConflict)) {
          logger.warn(
            { office, reason: messageOf(error) },
            'the delivery checkpoint could not be stored; a restart repeats events',
          )
          return true
        }
        // It may have been this node's own append, whose outcome was unknown.
        const last = await lastMark().catch(() => undefined)
        if (last?.term !== term) return false
        revision = last.revision
        return true
      }
    }

    logger.info({ office, after: reached }, 'delivering events')
    const inner = new AbortController()
    const leave = (): void => inner.abort()
    signal.addEventListener('abort', leave, { once: true })
    if (signal.aborted) leave()
    try {
      for await (const batch of followInBatches({ log, after: reached, filter, signal: inner.signal, clock, logger })) {
        for (let from = 0; from < batch.length; from += mostAtOnce) {
          const items = batch.slice(from, from + mostAtOnce)
          const events = items.flatMap((item) => (item.kind === 'event' ? [item.event] : []))
          if (events.length > 0) {
            await untilDone('delivering events', signal, () => deliver(events, signal))
            unmarked += events.length
          }
          const last = items.at(-1)
          // A `live` item stands where the backlog ended, which may be before what a restart began with: never go back.
          const place = last === undefined ? reached : last.kind === 'event' ? last.event.position : last.position
          if (place > reached) reached = place
          const everyMs = unmarked >= muchDelivered ? markOftenMs : unmarked > 0 ? markEveryMs : markQuietEveryMs
          const isDue = clock.monotonic() - keptAt >= everyMs
          // Aborting `inner` ends the subscription; `signal` alone does not.
          if (isDue && !(await mark())) return leave()
          if (signal.aborted) return
        }
      }
    } finally {
      signal.removeEventListener('abort', leave)
      leave()
      await mark()
    }
  }

  return {
    start: async () => {
      await untilDone('finding where to begin', stopping.signal, firstMark)
      const run = (signal: AbortSignal) =>
        lead(signal).catch((error: unknown) => {
          if (!signal.aborted) logger.error({ err: error, office }, 'this node stopped delivering events')
        })
      campaign ??= leadership.campaign({ office, signal: stopping.signal, lead: run })
    },
    stop: async () => {
      stopping.abort()
      await campaign
    },
  }
}
