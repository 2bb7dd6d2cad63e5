import type { StandardStream } from '../../events/output.ts'
import { wholeCharacters } from '../../lib/utf8.ts'
import type { EventLog, Position } from '../../stores/event-log.ts'
import { chunkFrom, lastWritten, type OutputChunk, type OutputPart, partFrom, writtenFrom } from './output-chunks.ts'

export interface OutputSlice {
  /** UTF-8 from `offset` on; ends between two characters unless the limit is smaller than the first one. */
  readonly content: Buffer
  /** The same by events. */
  readonly parts: readonly OutputPart[]
  /** Where the next slice begins. */
  readonly nextOffset: number
  /** Bytes that the whole output has, both standard streams together. */
  readonly size: number
}

/** What of an output is read. Offsets are places in the whole, whatever `stream` says. */
export interface OutputRange {
  /** First byte. */
  readonly offset: number
  /** Only this standard stream. */
  readonly stream?: StandardStream | undefined
  /** What was recorded later is left out. */
  readonly upTo?: Position | undefined
}

export interface SliceRange extends OutputRange {
  /** Most bytes. */
  readonly limit: number
  /** Asked at each event of the other standard stream: true ends the slice behind it. */
  readonly isEnough?: () => boolean
}

/** What an operation has printed, read from the log itself; reads no more than it takes and what of the other stream lies between. */
export const readOutput = async (
  log: EventLog,
  operationId: string,
  { offset, stream, upTo, limit, isEnough = () => false }: SliceRange,
): Promise<OutputSlice> => {
  const last = await lastWritten(log, operationId, upTo)
  const size = last === undefined ? 0 : last.offset + last.bytes
  const parts: OutputPart[] = []
  let left = limit
  let nextOffset = offset
  for await (const written of writtenFrom(log, operationId, offset, last)) {
    if (left <= 0) break
    const part = partFrom(written, offset)
    nextOffset = part.offset + part.content.length
    if (stream !== undefined && written.stream !== stream) {
      if (isEnough()) break
      continue
    }
    const whole = wholeCharacters(part.content, left)
    const taken = whole === 0 && parts.length === 0 ? Math.min(left, part.content.length) : whole
    if (taken > 0) parts.push({ ...part, content: part.content.subarray(0, taken) })
    nextOffset = part.offset + taken
    left -= taken
    if (taken < part.content.length) break
  }
  return { content: Buffer.concat(parts.map(({ content }) => content)), parts, nextOffset, size }
}

/** All chunks from `offset` on that are recorded at the call, in constant memory. */
export async function* outputChunks(
  log: EventLog,
  operationId: string,
  { offset, stream, upTo }: OutputRange,
): AsyncGenerator<OutputChunk> {
  const last = await lastWritten(log, operationId, upTo)
  for await (const written of writtenFrom(log, operationId, offset, last)) {
    const chunk = stream === undefined || written.stream === stream ? chunkFrom(written, offset) : undefined
    if (chunk !== undefined) yield chunk
  }
}
