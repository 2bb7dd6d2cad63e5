import type { Logger } from 'pino'
import type { EventOf } from '../../../events/define.ts'
import { leaseEvents } from '../../../events/lease.ts'
import type { Clock } from '../../../lib/clock.ts'
import { RevisionConflict, Unacceptable } from '../../../lib/errors.ts'
import { within } from '../../../lib/time-limit.ts'
import type { EventLog } from '../../event-log.ts'
import { followStream } from '../read/follow-stream.ts'
import { type LeaseConnection, lastEvent, leaseEvent } from './lease-stream.ts'

type OfficeEvent = Extract<EventOf<typeof leaseEvents>, { type: 'OfficeTaken' | 'OfficeRenewed' | 'OfficeLeft' }>

/** An append that was made: `sentAt` is before its first sending, by this node's clock. */
export interface Made {
  readonly revision: number
  readonly sentAt: number
}

interface AppendOptions {
  readonly after: number
  readonly withinMs: number
  readonly signal?: AbortSignal
}

/** What one node knows of an office, and its way to change it. */
export interface Office {
  /** Resolves when it is known whether anybody holds the office. Throws `Unavailable` and the signal's reason. */
  ready(signal: AbortSignal): Promise<void>
  /** The revision that a candidate for the office expects; -1 for an office that was never held. */
  revision(): number
  /** From when on this node may take the office, by its own clock. */
  freeAt(marginMs: number): number
  /** Resolves when something was heard of the office, after `ms`, or when the signal aborts. */
  changed(ms: number, signal: AbortSignal): Promise<void>
  /**
   * Appends at the revision `after`. An unknown outcome is repeated verbatim until it is known; undefined when somebody else was
   * faster, `withinMs` is over, or the signal aborts.
   */
  append(event: OfficeEvent, options: AppendOptions): Promise<Made | undefined>
}

/** A try that hangs is not waited for longer than this: there must be time for another within a term. */
const tryMs = 2_000
const pauseMs = 200

export const createOffice = ({
  connection,
  log,
  clock,
  logger,
  stream,
  signal: following,
}: {
  readonly connection: LeaseConnection
  readonly log: Pick<EventLog, 'append' | 'readStream'>
  readonly clock: Clock
  readonly logger: Logger
  readonly stream: string
  /** Ends the following of the stream. */
  readonly signal: AbortSignal
}): Office => {
  let revision: number | undefined
  /** When the last holder's term ends as seen from here, without a margin. */
  let until = Number.NEGATIVE_INFINITY
  const wakers = new Set<() => void>()

  /** A term counts from its reception: that is after the holder's own count began. */
  const hear = (heard: { readonly revision: number; readonly type: string; readonly data: unknown }): void => {
    if (revision !== undefined && heard.revision <= revision) return
    revision = heard.revision
    until = clock.monotonic() + termOf(heard.type, heard.data)
    for (const wake of wakers) wake()
  }

  const read = async (signal: AbortSignal): Promise<void> => {
    const last = await within({ clock, ms: tryMs }, lastEvent(log, stream))
    signal.throwIfAborted()
    if (last !== undefined) hear(last)
    else revision ??= -1
  }

  const changed = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        cancel()
        wakers.delete(end)
        signal.removeEventListener('abort', end)
        resolve()
      }
      const cancel = clock.after(ms, end)
      wakers.add(end)
      signal.addEventListener('abort', end, { once: true })
      if (signal.aborted) end()
    })

  followStream({ connection, stream, clock, logger, signal: following, onEvent: hear })
  return {
    ready: async (signal) => {
      if (revision === undefined) await read(signal)
    },
    revision: () => revision ?? -1,
    freeAt: (marginMs) => until + marginMs,
    changed,
    append: async (event, { after, withinMs, signal }) => {
      const encoded = leaseEvent(event)
      const expected = after < 0 ? 'noStream' : after
      const sentAt = clock.monotonic()
      while (clock.monotonic() < sentAt + withinMs && !signal?.aborted) {
        try {
          const made = await within({ clock, ms: tryMs }, log.append(stream, expected, [encoded]))
          hear({ revision: made.revision, ...event })
          return { revision: made.revision, sentAt }
        } catch (error) {
          if (error instanceof Unacceptable) throw error
          if (error instanceof RevisionConflict) {
            // What this node knew is outdated: ask again before anything else.
            revision = undefined
            return undefined
          }
          logger.debug({ err: error, stream }, 'an office event got no answer; sending it again')
          await clock.sleep(pauseMs, signal).catch(() => undefined)
        }
      }
      // It may have been recorded or not.
      revision = undefined
      return undefined
    },
  }
}

const termOf = (type: string, data: unknown): number => {
  if (type !== 'OfficeTaken' && type !== 'OfficeRenewed') return Number.NEGATIVE_INFINITY
  const parsed = leaseEvents.schemas[type].safeParse(data)
  return parsed.success ? parsed.data.termMs : Number.NEGATIVE_INFINITY
}
