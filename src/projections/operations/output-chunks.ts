import { type OutputWritten, outputStream, type StandardStream } from '../../events/output.ts'
import { nextCharacter } from '../../lib/utf8.ts'
import type { EventLog, Position, RecordedEvent } from '../../stores/event-log.ts'
import { lastOfStream } from '../../stores/last-of-stream.ts'

/** Text that was recorded in one go. Source: native contract, section 9. */
export interface OutputChunk {
  /** Where it begins, in bytes of the whole output. */
  readonly offset: number
  /** Where it ends. */
  readonly nextOffset: number
  readonly stream: StandardStream
  /** When it was recorded, RFC 3339. */
  readonly at: string
  readonly text: string
}

/** One event of an output stream. */
export interface Written extends OutputWritten {
  readonly stream: StandardStream
  readonly revision: number
  readonly position: Position
  readonly at: string
}

export const writtenOf = ({ data, revision, position, recordedAt }: RecordedEvent): Written => {
  const written = data as unknown as OutputWritten
  return { ...written, stream: written.stream ?? 'stdout', revision, position, at: recordedAt }
}

/** A stretch of one event, in bytes. */
export interface OutputPart {
  readonly offset: number
  readonly content: Buffer
  readonly stream: StandardStream
  readonly at: string
}

/** What of an event lies behind byte `from`; empty where nothing does. */
export const partFrom = ({ offset, stream, at, text }: Written, from: number): OutputPart => {
  const skipped = Math.max(0, from - offset)
  return { offset: offset + skipped, content: Buffer.from(text).subarray(skipped), stream, at }
}

/** A part as text, without a character that begins before it; undefined where nothing is left. */
export const chunkOf = ({ offset, content, stream, at }: OutputPart): OutputChunk | undefined => {
  const begin = nextCharacter(content, 0)
  if (begin === content.length) return undefined
  return { offset: offset + begin, nextOffset: offset + content.length, stream, at, text: content.toString('utf8', begin) }
}

/** What of an event lies behind byte `from`, as text. */
export const chunkFrom = (written: Written, from: number): OutputChunk | undefined => {
  const { offset, bytes, stream, at, text } = written
  return from > offset ? chunkOf(partFrom(written, from)) : { offset, nextOffset: offset + bytes, stream, at, text }
}

/** The last event of an output up to a position; undefined where there is none. */
export const lastWritten = async (log: EventLog, operationId: string, upTo?: Position): Promise<Written | undefined> => {
  const last = await lastOfStream(log, outputStream(operationId), upTo)
  return last && writtenOf(last)
}

/** The events of an output from the one that holds byte `offset` up to `last`, in constant memory. */
export async function* writtenFrom(
  log: EventLog,
  operationId: string,
  offset: number,
  last: Written | undefined,
): AsyncGenerator<Written> {
  if (last === undefined) return
  const from = await revisionAt(log, operationId, offset, last)
  for await (const event of log.readStream(outputStream(operationId), { from })) {
    if (event.revision > last.revision) return
    yield writtenOf(event)
  }
}

/**
 * The revision of the event that holds the byte at `offset`, or the one behind `last`. Offsets only grow, so it is found in some twenty reads.
 */
const revisionAt = async (log: EventLog, operationId: string, offset: number, last: Written): Promise<number> => {
  if (offset === 0) return 0
  if (offset >= last.offset) return offset >= last.offset + last.bytes ? last.revision + 1 : last.revision
  let low = 0
  let high = last.revision
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    const begin = await offsetOf(log, operationId, middle)
    if (begin !== undefined && begin <= offset) low = middle
    else high = middle
  }
  return low
}

const offsetOf = async (log: EventLog, operationId: string, revision: number): Promise<number | undefined> => {
  for await (const event of log.readStream(outputStream(operationId), { from: revision, limit: 1 }))
    return writtenOf(event).offset
  return undefined
}
