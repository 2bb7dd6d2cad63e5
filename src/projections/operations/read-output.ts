import { type OutputWritten, outputStream } from '../../events/output.ts'
import type { EventLog, Position, ReadStreamOptions } from '../../stores/event-log.ts'
import { lastOfStream } from '../../stores/last-of-stream.ts'

export interface OutputSlice {
  /** UTF-8 from `offset` on; ends between two code points unless the limit is smaller than the first one. */
  readonly content: Buffer
  /** Where the next slice begins. */
  readonly nextOffset: number
  /** Bytes that the whole output has now. */
  readonly size: number
}

/**
 * What an operation had printed up to a position, at most `limit` bytes from byte `offset` on, read from the log itself. The place is found by
 * binary search over revisions: offsets only grow.
 */
export const readOutput = async (
  log: EventLog,
  operationId: string,
  { offset, limit, upTo }: { readonly offset: number; readonly limit: number; readonly upTo?: Position },
): Promise<OutputSlice> => {
  const stream = outputStream(operationId)
  const end = await lastOfStream(log, stream, upTo)
  const last = end && { ...(end.data as unknown as OutputWritten), revision: end.revision }
  const size = last === undefined ? 0 : last.offset + last.bytes
  if (last === undefined || offset >= size || limit <= 0) return { content: Buffer.alloc(0), nextOffset: offset, size }
  const from = offset >= last.offset ? last.revision : await revisionAt(log, stream, offset, last.revision)
  const parts: Buffer[] = []
  const until = Math.min(offset + limit, size)
  for await (const event of log.readStream(stream, { from })) {
    const written = event.data as unknown as OutputWritten
    if (written.offset >= until) break
    const content = Buffer.from(written.text)
    parts.push(content.subarray(Math.max(0, offset - written.offset), Math.min(content.length, until - written.offset)))
    if (written.offset + written.bytes >= until) break
  }
  const content = withoutHalf(Buffer.concat(parts), until < size)
  return { content, nextOffset: offset + content.length, size }
}

interface Place extends OutputWritten {
  readonly revision: number
}

const one = async (log: EventLog, stream: string, options: ReadStreamOptions): Promise<Place | undefined> => {
  for await (const { data, revision } of log.readStream(stream, options))
    return { ...(data as unknown as OutputWritten), revision }
  return undefined
}

/** The revision of the event that holds the byte at `offset`; `above` is one that begins after it. */
const revisionAt = async (log: EventLog, stream: string, offset: number, above: number): Promise<number> => {
  let low = 0
  let high = above
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    const place = await one(log, stream, { from: middle, limit: 1 })
    if (place !== undefined && place.offset <= offset) low = middle
    else high = middle
  }
  return low
}

/** Cuts off the beginning of a code point whose rest lies beyond the limit. */
const withoutHalf = (content: Buffer, isCut: boolean): Buffer => {
  if (!isCut) return content
  let start = content.length - 1
  while (start > 0 && content.length - start < 4 && ((content[start] ?? 0) & 0xc0) === 0x80) start--
  const lead = content[start] ?? 0
  const needed = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1
  return start > 0 && content.length - start < needed ? content.subarray(0, start) : content
}
