import { operationStream } from '../../commands/operation.ts'
import type { OperationState, terminalTypes } from '../../events/operation.ts'
import { outputStream, type StandardStream } from '../../events/output.ts'
import type { EventLog, RecordedEvent } from '../../stores/event-log.ts'
import { lastOfStream } from '../../stores/last-of-stream.ts'
import { chunkFrom, lastWritten, type OutputChunk, type Written, writtenFrom, writtenOf } from './output-chunks.ts'

/** How an operation ended. */
export type EndState = (typeof endStates)[keyof typeof endStates]

/** What a follower is given: text in order of arrival, and once the operation has ended and all text is given, its end. */
export type FollowedOutput = ({ readonly kind: 'chunk' } & OutputChunk) | { readonly kind: 'end'; readonly state: EndState }

export interface FollowOutputOptions {
  /** First byte, counted in the whole output. Default 0. */
  readonly from?: number | undefined
  /** Only this standard stream. */
  readonly stream?: StandardStream | undefined
  /** Ends the iteration, without an error. */
  readonly signal: AbortSignal
}

const endStates = {
  OperationSucceeded: 'succeeded',
  OperationFailed: 'failed',
  OperationCancelled: 'cancelled',
  OperationTimedOut: 'timed-out',
} as const satisfies Record<(typeof terminalTypes)[number], OperationState>

/**
 * What an operation prints, from byte `from` on and live, to the end of the operation. Nothing is read ahead of the consumer: one that is slow gets its backlog from
 * the log, and costs no memory. The operation has to exist. Rejects with `Unavailable` where the log does not answer; go on behind the last `nextOffset` then.
 * Source: native contract, section 9.
 */
export async function* followOutput(
  log: EventLog,
  operationId: string,
  { from = 0, stream, signal }: FollowOutputOptions,
): AsyncGenerator<FollowedOutput, void> {
  const output = outputStream(operationId)
  const operation = operationStream(operationId)
  const chunkOf = (written: Written): FollowedOutput | undefined => {
    if (stream !== undefined && written.stream !== stream) return undefined
    const chunk = chunkFrom(written, from)
    return chunk && { kind: 'chunk', ...chunk }
  }

  // The head is asked first: what is recorded behind it comes by the subscription, whatever the backlog holds by then.
  const after = await log.head()
  const ended = endOf(await lastOfStream(log, operation))
  const last = await lastWritten(log, operationId)
  for await (const written of writtenFrom(log, operationId, from, last)) {
    const chunk = chunkOf(written)
    if (chunk !== undefined) yield chunk
    if (signal.aborted) return
  }
  if (ended !== undefined) return yield ended
  const given = last?.revision ?? -1
  const filter = { streamPrefixes: [output, operation] }
  for await (const item of log.subscribe({ after, filter, signal, withoutCheckpoints: true })) {
    if (item.kind !== 'event') continue
    const { event } = item
    if (event.stream === output && event.revision > given) {
      const chunk = chunkOf(writtenOf(event))
      if (chunk !== undefined) yield chunk
    } else if (event.stream === operation) {
      const end = endOf(event)
      if (end !== undefined) return yield end
    }
    if (signal.aborted) return
  }
}

/** The last event of an ended operation says how it ended. */
const endOf = (event: RecordedEvent | undefined): FollowedOutput | undefined => {
  const state = endStates[event?.type as keyof typeof endStates]
  return state && { kind: 'end', state }
}
