import type { CommandContext } from '../../commands/execute.ts'
import { outputStream } from '../../events/output.ts'
import type { Clock } from '../../lib/clock.ts'
import { messageOf, RevisionConflict, Unavailable } from '../../lib/errors.ts'
import { eventId, newId } from '../../lib/ids.ts'
import type { EventLog, NewEvent } from '../../stores/event-log.ts'

export interface OutputWriter {
  /** Appends in order. Resolves at once while little is waiting, else when it has been recorded. Never rejects. */
  write(text: string): Promise<void>
  /** Records the waiting output, and accepts no more. */
  close(): Promise<void>
  /** Drops the waiting output, and accepts no more: the attempt belongs to another worker now. */
  discard(): void
}

export interface OutputOptions {
  readonly log: EventLog
  readonly clock: Clock
  readonly operationId: string
  readonly attempt: number
  /** Most bytes kept, over all attempts. */
  readonly capBytes: number
  readonly context: Omit<CommandContext, 'commandId'>
  /** Whether the attempt is still ours; nothing is recorded after it was lost. */
  readonly isLive: () => boolean
  /** Told what could not be recorded, once. */
  readonly onProblem: (message: string) => void
}

/** Largest event. Source: DESIGN, section 4. */
const chunkBytes = 32 * 1024
const flushMs = 200
const chunksPerAppend = 8
const firstPauseMs = 50
const longestPauseMs = 2_000
const schemaVersion = 1

interface Chunk {
  readonly text: string
  readonly bytes: number
}

/**
 * Writes what one attempt prints to `output-<operation id>`, in chunks of at most 32 KiB cut at code points, recorded
 * when one is full or 200 ms after its first text. The expected revision fences: an attempt that was superseded cannot
 * write between the lines of its successor.
 */
export const createOutputWriter = (options: OutputOptions): OutputWriter => {
  const { log, clock, operationId, attempt, capBytes, context, isLive, onProblem } = options
  const stream = outputStream(operationId)
  let waiting = ''
  let waitingBytes = 0
  let isClosed = false
  let isDiscarded = false
  /** Where the stream ends; unknown before the first text. */
  let end: { revision: number; offset: number } | undefined
  let cancelTimer: (() => void) | undefined
  let tail: Promise<void> = Promise.resolve()

  const lose = (message: string): void => {
    if (!isDiscarded) onProblem(message)
    discard()
  }

  const discard = (): void => {
    isClosed = true
    isDiscarded = true
    waiting = ''
    waitingBytes = 0
    cancelTimer?.()
    cancelTimer = undefined
  }

  const findEnd = async (): Promise<{ revision: number; offset: number }> => {
    for await (const { revision, data } of log.readStream(stream, { from: 'end', backwards: true, limit: 1 }))
      return { revision, offset: Number(data.offset) + Number(data.bytes) }
    return { revision: -1, offset: 0 }
  }

  /** Repeats while the log is out of reach and the attempt is ours; the ids stay, so that nothing is recorded twice. */
  const persist = async <Result>(step: () => Promise<Result>): Promise<Result | undefined> => {
    for (let pauseMs = firstPauseMs; isLive() && !isDiscarded; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      try {
        return await step()
      } catch (error) {
        if (!(error instanceof Unavailable)) {
          lose(error instanceof RevisionConflict ? 'another attempt writes the output' : messageOf(error))
          return undefined
        }
        await clock.sleep(pauseMs)
      }
    }
    return undefined
  }

  const record = async (chunks: readonly Chunk[]): Promise<void> => {
    for (let from = 0; from < chunks.length; from += chunksPerAppend) {
      const at: { revision: number; offset: number } | undefined = end ?? (await persist(findEnd))
      if (at === undefined) return
      const events = eventsOf(chunks.slice(from, from + chunksPerAppend), at.offset)
      if (events.length === 0) return
      const appended = await persist(() => log.append(stream, at.revision < 0 ? 'noStream' : at.revision, events))
      if (appended === undefined) return
      const last = events.at(-1)?.data
      end = { revision: appended.revision, offset: Number(last?.offset) + Number(last?.bytes) }
    }
  }

  /** What of the chunks may still be kept, as events; the note that something was cut off is the stream's last. */
  const eventsOf = (chunks: readonly Chunk[], from: number): NewEvent[] => {
    const commandId = newId()
    const events: NewEvent[] = []
    let offset = from
    const add = ({ text, bytes }: Chunk): void => {
      const metadata = { ...context, schema: schemaVersion }
      events.push({
        id: eventId(commandId, events.length),
        type: 'OutputWritten',
        data: { attempt, offset, bytes, text },
        metadata,
      })
      offset += bytes
    }
    for (const chunk of chunks) {
      if (offset > capBytes) break
      const fits = offset + chunk.bytes <= capBytes ? chunk : cut(Buffer.from(chunk.text), capBytes - offset)
      if (fits.bytes > 0) add(fits)
      if (fits.bytes < chunk.bytes) {
        add(chunkOf(`\n[the output was cut off: more than ${capBytes} bytes]\n`))
        break
      }
    }
    return events
  }

  /** Passes the waiting output on. A high surrogate at the end waits for its other half, except at the end of the output. */
  const flush = (isLast: boolean): Promise<void> => {
    cancelTimer?.()
    cancelTimer = undefined
    const keep = !isLast && /[\ud800-\udbff]$/.test(waiting) ? waiting.slice(-1) : ''
    const text = waiting.slice(0, waiting.length - keep.length)
    waiting = keep
    waitingBytes = keep.length
    if (text !== '') tail = tail.then(() => (isDiscarded ? undefined : record(chunksOf(text))))
    return tail
  }

  return {
    write: async (text) => {
      if (isClosed || text === '') return
      waiting += text
      waitingBytes += Buffer.byteLength(text)
      if (waitingBytes >= chunkBytes) return await flush(false)
      cancelTimer ??= clock.after(flushMs, () => void flush(false))
    },
    close: async () => {
      if (!isClosed) {
        const done = flush(true)
        isClosed = true
        await done
      }
      await tail
    },
    discard,
  }
}

const chunkOf = (text: string): Chunk => ({ text, bytes: Buffer.byteLength(text) })

const chunksOf = (text: string): readonly Chunk[] => {
  const chunks: Chunk[] = []
  for (let rest = Buffer.from(text); rest.length > 0; ) {
    const chunk = cut(rest, chunkBytes)
    chunks.push(chunk)
    rest = rest.subarray(chunk.bytes)
  }
  return chunks
}

/** The longest beginning of UTF-8 text that has at most `most` bytes and ends between two code points. */
const cut = (content: Buffer, most: number): Chunk => {
  let bytes = Math.min(content.length, most)
  while (bytes > 0 && bytes < content.length && ((content[bytes] ?? 0) & 0xc0) === 0x80) bytes--
  return { text: content.toString('utf8', 0, bytes), bytes }
}
