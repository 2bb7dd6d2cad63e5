import type { CommandContext } from '../../commands/execute.ts'
import { type OutputWritten, outputStream, type StandardStream, standardStreams } from '../../events/output.ts'
import type { Clock } from '../../lib/clock.ts'
import { messageOf, RevisionConflict } from '../../lib/errors.ts'
import { eventId, newId } from '../../lib/ids.ts'
import { wholeCharacters } from '../../lib/utf8.ts'
import { whileUnavailable } from '../../lib/while-unavailable.ts'
import type { EventLog, NewEvent } from '../../stores/event-log.ts'

export interface OutputWriter {
  /** Appends in order of the calls. Resolves at once while little is waiting, else when it has been recorded. Never rejects. */
  write(text: string, stream?: StandardStream): Promise<void>
  /** False when everything else would be dropped: past the cap, after `close` or `discard`. */
  accepts(): boolean
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
/** A byte takes six in JSON at most, and a log takes a mebibyte of JSON in one append. */
const appendBytes = 5 * chunkBytes
const chunksPerAppend = 64
/** So many changes between stdout and stderr are recorded at once. */
const mostPieces = 64
const schemaVersion = 1

/** Text of one standard stream that came in one go. */
interface Piece {
  readonly stream: StandardStream
  text: string
}

interface Chunk {
  readonly stream: StandardStream
  readonly text: string
  readonly bytes: number
}

/** Where the log's stream ends; its revision is -1 before the first event. */
interface End {
  readonly revision: number
  readonly offset: number
  /** The last text ends a line, or there is none. */
  readonly endsLine: boolean
}

/**
 * Writes what one attempt prints to `output-<operation id>`, in chunks of at most 32 KiB cut at code points, recorded
 * when one is full or 200 ms after its first text. The expected revision fences: an attempt that was superseded cannot
 * write between the lines of its successor.
 */
export const createOutputWriter = (options: OutputOptions): OutputWriter => {
  const { log, clock, operationId, attempt, capBytes, context, isLive, onProblem } = options
  const logStream = outputStream(operationId)
  let waiting: Piece[] = []
  let waitingBytes = 0
  /** First halves of surrogate pairs whose other half has not come. */
  const halves = { stdout: '', stderr: '' }
  let isClosed = false
  let isDiscarded = false
  let isFull = false
  /** Unknown before the first text. */
  let end: End | undefined
  let cancelTimer: (() => void) | undefined
  let tail: Promise<void> = Promise.resolve()

  const lose = (message: string): void => {
    if (!isDiscarded) onProblem(message)
    discard()
  }

  const discard = (): void => {
    isClosed = true
    isDiscarded = true
    waiting = []
    waitingBytes = 0
    cancelTimer?.()
    cancelTimer = undefined
  }

  const findEnd = async (): Promise<End> => {
    for await (const { revision, data } of log.readStream(logStream, { from: 'end', backwards: true, limit: 1 }))
      return endOf(revision, data as unknown as OutputWritten)
    return { revision: -1, offset: 0, endsLine: true }
  }

  /** Repeats while the log is out of reach and the attempt is ours; the ids stay, so that nothing is recorded twice. */
  const persist = async <Result>(step: () => Promise<Result>): Promise<Result | undefined> => {
    try {
      return await whileUnavailable(step, { clock, goesOn: () => isLive() && !isDiscarded })
    } catch (error) {
      lose(error instanceof RevisionConflict ? 'another attempt writes the output' : messageOf(error))
      return undefined
    }
  }

  const record = async (chunks: readonly Chunk[]): Promise<void> => {
    for (const together of batchesOf(chunks)) {
      const at: End | undefined = end ?? (await persist(findEnd))
      if (at === undefined) return
      const events = eventsOf(together, at)
      const last = events.at(-1)
      if (last === undefined) return
      const appended = await persist(() => log.append(logStream, at.revision < 0 ? 'noStream' : at.revision, events))
      if (appended === undefined) return
      end = endOf(appended.revision, last.data)
    }
  }

  /** What of the chunks may still be kept, as events; the note that something was cut off is the stream's last. */
  const eventsOf = (chunks: readonly Chunk[], at: End): readonly (NewEvent & { readonly data: OutputWritten })[] => {
    const commandId = newId()
    const metadata = { ...context, schema: schemaVersion }
    const events: (NewEvent & { readonly data: OutputWritten })[] = []
    let { offset, endsLine } = at
    const add = ({ stream, text, bytes }: Chunk): void => {
      const data = { attempt, offset, bytes, text, ...(stream === 'stdout' ? {} : { stream }) }
      events.push({ id: eventId(commandId, events.length), type: 'OutputWritten', data, metadata })
      offset += bytes
      endsLine = text.endsWith('\n')
    }
    for (const chunk of chunks) {
      isFull ||= offset > capBytes
      if (isFull) break
      const fits = offset + chunk.bytes <= capBytes ? chunk : cut(chunk.stream, Buffer.from(chunk.text), capBytes - offset)
      if (fits.bytes > 0) add(fits)
      if (fits.bytes === chunk.bytes) continue
      isFull = true
      add(noteOf(chunk.stream, `${endsLine ? '' : '\n'}[the output was cut off: more than ${capBytes} bytes]\n`))
    }
    return events
  }

  const flush = (): Promise<void> => {
    cancelTimer?.()
    cancelTimer = undefined
    const pieces = waiting
    waiting = []
    waitingBytes = 0
    if (pieces.length > 0) tail = tail.then(() => (isDiscarded ? undefined : record(pieces.flatMap(chunksOf))))
    return tail
  }

  const gather = (text: string, stream: StandardStream): void => {
    const last = waiting.at(-1)
    if (last?.stream === stream) last.text += text
    else waiting.push({ stream, text })
    waitingBytes += Buffer.byteLength(text)
  }

  const accepts = (): boolean => !isClosed && !isFull

  return {
    accepts,
    write: async (said, stream = 'stdout') => {
      if (!accepts()) return
      const text = halves[stream] + said
      halves[stream] = /[\ud800-\udbff]$/.test(text) ? text.slice(-1) : ''
      if (text.length === halves[stream].length) return
      gather(text.slice(0, text.length - halves[stream].length), stream)
      if (waitingBytes >= chunkBytes || waiting.length >= mostPieces) return await flush()
      cancelTimer ??= clock.after(flushMs, () => void flush())
    },
    close: async () => {
      if (!isClosed) {
        isClosed = true
        for (const stream of standardStreams) if (halves[stream] !== '') gather(halves[stream], stream)
        await flush()
      }
      await tail
    },
    discard,
  }
}

const endOf = (revision: number, { offset, bytes, text }: OutputWritten): End => ({
  revision,
  offset: offset + bytes,
  endsLine: text.endsWith('\n'),
})

const noteOf = (stream: StandardStream, text: string): Chunk => ({ stream, text, bytes: Buffer.byteLength(text) })

const chunksOf = ({ stream, text }: Piece): readonly Chunk[] => {
  const chunks: Chunk[] = []
  for (let rest = Buffer.from(text); rest.length > 0; ) {
    const chunk = cut(stream, rest, chunkBytes)
    chunks.push(chunk)
    rest = rest.subarray(chunk.bytes)
  }
  return chunks
}

/** What goes into one append each. */
const batchesOf = (chunks: readonly Chunk[]): readonly (readonly Chunk[])[] => {
  const batches: Chunk[][] = []
  let bytes = 0
  for (const chunk of chunks) {
    const last = batches.at(-1)
    bytes += chunk.bytes
    if (last !== undefined && last.length < chunksPerAppend && bytes <= appendBytes) last.push(chunk)
    else {
      batches.push([chunk])
      bytes = chunk.bytes
    }
  }
  return batches
}

/** The longest beginning of UTF-8 text that has at most `most` bytes and ends between two code points. */
const cut = (stream: StandardStream, content: Buffer, most: number): Chunk => {
  const bytes = wholeCharacters(content, most)
  return { stream, text: content.toString('utf8', 0, bytes), bytes }
}
