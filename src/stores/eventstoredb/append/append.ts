import { jsonEvent } from '@eventstore/db-client'
import type { Clock } from '../../../lib/clock.ts'
import { RevisionConflict, Unacceptable, Unavailable } from '../../../lib/errors.ts'
import { randomFraction } from '../../../lib/ids.ts'
import { within } from '../../../lib/time-limit.ts'
import type { AppendRequest, EncodedEvent } from '../../encode-append.ts'
import type { Appended } from '../../event-log.ts'
import { createCallLimit } from '../call-limit.ts'
import type { EventStoreDbConnection } from '../client.ts'
import { faultOf, isFinal, reasonOf, unavailable } from '../faults.ts'
import { toPosition } from '../positions.ts'
import type { Reader } from '../read/reader.ts'
import { type BatchAppended, createBatchAppender } from './batch-append.ts'
import type { BatchMessage } from './batch-message.ts'

/** Calls at a time. */
const appendsAtATime = 64
/** An append fails after this many times the time-out of one try. */
const triesTime = 3
/** What the client's own deadline is given before ours. */
const graceMs = 250
/** Characters. A longer append gets a call of its own, so that others do not wait behind it. */
export const longestInBatch = 256 * 1024
const firstRetryMs = 25
const longestRetryMs = 500
/** If the caller expects no revision, its ids are searched in this many of the stream's last events. */
const repetitionWindow = 128
const looks = 20
const lookMs = 10

export interface AppenderOptions {
  readonly connection: EventStoreDbConnection
  readonly reader: Reader
  /** Time of one try; one that got no answer by then has an unknown outcome. */
  readonly appendTimeoutMs: number
  readonly clock: Clock
}

/** Writes to the server: what is acknowledged is on its disk (of most nodes of a cluster). */
export interface Appender {
  append(request: AppendRequest): Promise<Appended>
  /** Resolves when nothing is under way any longer. */
  close(): Promise<void>
}

/**
 * An unknown outcome (a try that timed out, a server that died) is made known by trying again verbatim: with an explicit expected
 * revision the server recognises the ids that stand behind it, for ever. With `any` and `streamExists` it would know them until it
 * restarts only; so these expectations are never sent: the stream is read, and the revision found there is expected.
 *
 * Appends share one call (`batch-append.ts`); only large ones have their own. Not through the client's batch path, which keeps the pending
 * appends of all clients of the process in one table: when any batch call breaks, it rejects and forgets them all, and the next answer to a
 * forgotten one is an uncaught TypeError, which ends the process. A leader that moves leaves such an old call behind. One call for each
 * append takes 240 us of the client's processor.
 */
export const createAppender = ({ connection, reader, appendTimeoutMs, clock }: AppenderOptions): Appender => {
  const { client, callOptions } = connection
  const calls = createCallLimit(appendsAtATime)
  const batch = createBatchAppender({ connection, answerWithinMs: appendTimeoutMs + graceMs, clock })
  /** Appends under way by the id of their first event. */
  const pending = new Map<string, { readonly request: AppendRequest; readonly outcome: Promise<Appended> }>()
  /** The last append to a stream that expected no revision: they follow each other, or they would refute each other for ever. */
  const loose = new Map<string, Promise<unknown>>()

  const send = (request: AppendRequest, expectedRevision: BatchMessage['expectedRevision'], giveUpAt: number) =>
    calls.run(async (): Promise<BatchAppended> => {
      if (clock.monotonic() >= giveUpAt) throw new Unavailable('too many appends are waiting')
      if (request.size <= longestInBatch) return batch.append(request, expectedRevision)
      const call = client.appendToStream(request.stream, request.events.map(toClientEvent), {
        ...callOptions,
        expectedRevision,
        deadline: appendTimeoutMs,
      })
      return within({ clock, ms: appendTimeoutMs + graceMs }, call)
    })

  /** What the stream's end says about an append that expects no revision: it is there already, or what to expect. */
  const resolve = async (request: AppendRequest): Promise<Appended | BatchMessage['expectedRevision']> => {
    const { events } = await reader.stream(request.stream, { from: 'end', backwards: true, limit: repetitionWindow })
    const last = events[0]
    if (last === undefined) {
      if (request.expected === 'streamExists') throw new RevisionConflict(request.stream, request.expected, -1)
      return 'no_stream'
    }
    const newest = request.events.map(({ id }) => id).reverse()
    const at = events.findIndex(({ id }) => id === newest[0])
    if (at >= 0 && newest.every((id, index) => events[at + index]?.id === id)) {
      const { revision, position } = events[at] ?? last
      return { revision, position }
    }
    return BigInt(last.revision)
  }

  /** The server refuses before it shows what it refuses for: who reads again now must not find the stream as it was. */
  const shown = async (stream: string, revision: number): Promise<void> => {
    for (let look = 0; revision >= 0 && look < looks; look++) {
      const { events } = await reader.stream(stream, { from: 'end', backwards: true, limit: 1 }).catch(() => ({ events: [] }))
      if ((events[0]?.revision ?? -1) >= revision) return
      await clock.sleep(lookMs)
    }
  }

  const append = async (request: AppendRequest): Promise<Appended> => {
    const { stream, expected } = request
    const giveUpAt = clock.monotonic() + appendTimeoutMs * triesTime
    const fixed = typeof expected === 'number' ? BigInt(expected) : expected === 'noStream' ? 'no_stream' : undefined
    let retryMs = firstRetryMs
    for (;;) {
      let fault: unknown
      try {
        const found = fixed ?? (await resolve(request))
        if (typeof found === 'object') return found
        const { nextExpectedRevision, position } = await send(request, found, giveUpAt)
        // The repetition of an append whose events are no longer readable has no position.
        return {
          revision: Number(nextExpectedRevision),
          position: position === undefined ? await reader.head() : toPosition(position),
        }
      } catch (error) {
        fault = error
      }
      if (fault instanceof RevisionConflict || fault instanceof Unacceptable) throw fault
      switch (faultOf(fault)) {
        case 'wrong-expected-version':
          if (fixed === undefined) break
          await shown(stream, actualOf(fault))
          throw new RevisionConflict(stream, expected, actualOf(fault))
        case 'maximum-append-size-exceeded':
          throw new Unacceptable(`the append to ${stream} is larger than EventStoreDB takes: ${reasonOf(fault)}`)
      }
      if (isFinal(fault) || clock.monotonic() + retryMs >= giveUpAt)
        throw unavailable(connection, `did not take an append to ${stream}`, fault, `append to ${stream}`)
      await clock.sleep(retryMs * (0.5 + randomFraction()))
      retryMs = Math.min(retryMs * 2, longestRetryMs)
    }
  }

  const inTurn = (request: AppendRequest): Promise<Appended> => {
    if (typeof request.expected === 'number' || request.expected === 'noStream') return append(request)
    const before = loose.get(request.stream) ?? Promise.resolve()
    const outcome = before.then(() => append(request))
    const settled = outcome
      .catch(() => undefined)
      .then(() => {
        if (loose.get(request.stream) === settled) loose.delete(request.stream)
      })
    loose.set(request.stream, settled)
    return outcome
  }

  return {
    append: (request) => {
      const key = request.events[0]?.id ?? ''
      const under = pending.get(key)
      // The server leaves a repetition that meets its original on the way unanswered for seconds.
      if (under !== undefined && isSame(under.request, request)) return under.outcome
      const outcome = inTurn(request).finally(() => {
        if (pending.get(key)?.outcome === outcome) pending.delete(key)
      })
      pending.set(key, { request, outcome })
      return outcome
    },
    close: async () => {
      while (pending.size > 0) await Promise.allSettled([...pending.values()].map(({ outcome }) => outcome))
      batch.close()
    },
  }
}

const encoder = new TextEncoder()

const toClientEvent = ({ id, type, data, metadata }: EncodedEvent) =>
  jsonEvent({ id, type, data: JSON.parse(data) as Record<string, unknown>, metadata: encoder.encode(metadata) })

const isSame = (one: AppendRequest, other: AppendRequest): boolean =>
  one.stream === other.stream &&
  one.expected === other.expected &&
  one.events.length === other.events.length &&
  one.events.every(({ id }, index) => other.events[index]?.id === id)

const actualOf = (error: unknown): number => {
  const { actualVersion } = error as { readonly actualVersion?: bigint | string }
  return typeof actualVersion === 'bigint' ? Number(actualVersion) : -1
}
