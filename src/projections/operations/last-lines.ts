import { outputStream } from '../../events/output.ts'
import type { EventLog } from '../../stores/event-log.ts'
import { lastWritten, writtenOf } from './output-chunks.ts'
import type { OutputRange } from './read-output.ts'

const lineFeed = 10

/**
 * The offset at which the last `lines` lines of an output begin, or of one of its standard streams; 0 where it has fewer. A line that is not ended counts. Reads
 * backwards from the end, one page of the log at a time. `signal` gives the search up.
 */
export const lastLinesFrom = async (
  log: EventLog,
  operationId: string,
  { lines, stream, upTo, signal }: Omit<OutputRange, 'offset'> & { readonly lines: number; readonly signal?: AbortSignal },
): Promise<number> => {
  const last = await lastWritten(log, operationId, upTo)
  if (last === undefined) return 0
  let left = lines
  let isEnd = true
  for await (const event of log.readStream(outputStream(operationId), { from: last.revision, backwards: true })) {
    if (signal?.aborted) return 0
    const written = writtenOf(event)
    if (stream !== undefined && written.stream !== stream) continue
    const content = Buffer.from(written.text)
    // The line feed at the very end ends the last line and begins none.
    let before = isEnd && content.at(-1) === lineFeed ? content.length - 1 : content.length
    isEnd = false
    while (before > 0) {
      const at = content.lastIndexOf(lineFeed, before - 1)
      if (at < 0) break
      left -= 1
      if (left === 0) return written.offset + at + 1
      before = at
    }
  }
  return 0
}
