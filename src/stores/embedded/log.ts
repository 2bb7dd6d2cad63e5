import type { Clock } from '../../lib/clock.ts'
import { Damaged, Unacceptable, Unavailable } from '../../lib/errors.ts'
import { createTurns } from '../../lib/event-loop-turns.ts'
import { checkName, encodeAppend } from '../encode-append.ts'
import { matches } from '../event-filter.ts'
import {
  type EventLog,
  type Feed,
  origin,
  type Position,
  type ReadAllOptions,
  type ReadStreamOptions,
  type SubscribeOptions,
} from '../event-log.ts'
import { isKeyStream } from '../hidden-streams.ts'
import { cannotBeOpened } from './damage/checksum.ts'
import { startLogCheck } from './damage/daily-log-check.ts'
import { createDamages, type Damages } from './damage/known-damages.ts'
import { checkQuickly } from './damage/start-check.ts'
import { createTail, type Tail } from './newest-events.ts'
import { fromPosition, toPosition } from './positions.ts'
import { createReader, type Page, pageEvents, type Reader } from './reader.ts'
import { inMemory, openReadingConnection, openWritingConnection } from './schema.ts'
import { type CommitMetrics, createCommits } from './writer/group-commit.ts'
import { createWriter } from './writer/writer.ts'
import { inlineWriter, openThreadedWriter, type WriterPort } from './writer/writer-port.ts'

export interface EmbeddedLogOptions {
  /** The log's file (made with its directory when it is not there), or `:memory:`. */
  readonly path: string
  readonly clock: Clock
  /** Most bytes of data in one append; default 1 MiB. */
  readonly maxAppendBytes?: number | undefined
  /** How many of the newest events stay in memory for those who follow the log. */
  readonly tailEvents?: number
  /** Called when the write-ahead log of the file wants a checkpoint; the writer makes it later, and everybody waits, where nobody does. */
  readonly walGrown?: (file: string) => void
  /** Called once for every damaged position that is met or found; with it the whole log is checked in the background. */
  readonly onDamage?: (damage: { readonly position: Position; readonly message: string }) => void
}

export interface EmbeddedLog extends EventLog {
  metrics(): CommitMetrics & { readonly subscribers: number }
}

/** Few enough that most are forgotten before the collector of garbage would have to move them (2 KiB and 5 µs an operation). */
const tailEventsDefault = 2048
/** Characters of text in the tail. */
const tailSize = 64 * 1024 * 1024
/** A filter without matches reports its position after this many positions, and whenever it reaches the head. */
const checkpointPositions = 4096
/** Characters from which an append has its round of the event loop alone. */
const largeAppend = 128 * 1024
const firstRetryMs = 100
const longestRetryMs = 5_000

/** Lets everything else that is due have its turn; long reads must not stop the program, however many there are. */
const breath = createTurns()
const nextRound = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/**
 * The event log in one SQLite file: WAL, flushed with every commit, group commit in a thread of its own. One process at a
 * time (stores/embedded/data-directory-lock.ts). Beyond what every log promises:
 *
 * - A repeated append with an explicit expected revision or `noStream` is recognised for ever; with `any` and `streamExists`
 *   among the last 128 events of its stream.
 * - `subscribe` from a position beyond the head begins at the head. It ends when its signal aborts or the log is closed; a
 *   disk that cannot be read is tried again until then.
 * - `close` lets the appends that wait finish; later ones are `Unavailable`.
 *
 * Throws `Unavailable` when the file cannot be opened.
 */
export const openEmbeddedLog = async ({
  path,
  clock,
  maxAppendBytes,
  tailEvents = tailEventsDefault,
  walGrown = () => {},
  onDamage,
}: EmbeddedLogOptions): Promise<EmbeddedLog> => {
  const damages = createDamages(onDamage)
  const { port, last, reader, closeReader } = await openFile(path, damages)
  const check = onDamage === undefined || path === inMemory ? undefined : startLogCheck({ path, clock, onDamage: damages.found })
  const tail = createTail({ head: last, maxEvents: tailEvents, maxSize: tailSize })
  const commits = createCommits({ port, tail, clock, walGrown: () => walGrown(path) })
  let closed: Promise<void> | undefined
  /** Ends with the round of the event loop in which large data was put into text: 30 ms a megabyte, so one append a round. */
  let roundOfLarge: Promise<void> | undefined
  let subscribers = 0

  async function* readStream(
    stream: string,
    { from, backwards = false, limit = Number.POSITIVE_INFINITY }: ReadStreamOptions = {},
  ) {
    let next = firstRevision(from, backwards)
    let left = limit
    while (left > 0 && next >= 0) {
      const { events, more } = reader.stream(stream, { from: next, backwards, limit: left })
      for (const event of events) yield event
      const last = events.at(-1)
      if (!more || last === undefined) return
      left -= events.length
      next = last.revision + (backwards ? -1 : 1)
      await breath()
    }
  }

  async function* readAll({ after, backwards = false, filter, limit = Number.POSITIVE_INFINITY }: ReadAllOptions = {}) {
    // Events appended after the call are left out, or a reader of a busy log would never reach the end.
    const head = tail.head()
    let low = backwards || after === undefined ? 0 : fromPosition(after)
    let high = backwards && after !== undefined ? Math.min(head, fromPosition(after) - 1) : head
    let left = limit
    while (left > 0 && low < high) {
      const page: Page = reader[backwards ? 'backwards' : 'forwards']({ after: low, upTo: high, limit: left }, filter)
      for (const { event } of page.placed) yield event
      left -= page.placed.length
      if (page.end) return
      if (backwards) high = page.reached
      else low = page.reached
      await breath()
    }
  }

  async function* follow(target: number, { after = origin, filter, signal }: SubscribeOptions): AsyncGenerator<Feed, void> {
    let cursor = Math.min(fromPosition(after), target)
    let told = cursor
    let live = false
    let retryMs = firstRetryMs
    let wake = (): void => {}
    const ended = (): boolean => signal.aborted || closed !== undefined
    const onAbort = (): void => wake()
    signal.addEventListener('abort', onAbort)
    subscribers += 1
    try {
      while (!ended()) {
        if (!live && cursor >= target) {
          live = true
          told = cursor
          yield { kind: 'live', position: toPosition(cursor) }
          continue
        }
        const head = tail.head()
        if (cursor > told && (cursor >= head || cursor - told >= checkpointPositions)) {
          told = cursor
          yield { kind: 'checkpoint', position: toPosition(cursor) }
          continue
        }
        if (cursor >= head) {
          await new Promise<void>((resolve) => {
            const forget = tail.onMove(resolve)
            wake = () => {
              forget()
              resolve()
            }
          })
          continue
        }
        let page: Page
        try {
          page = await nextPage({ tail, reader, after: cursor, upTo: live ? head : target, filter })
          retryMs = firstRetryMs
        } catch (error) {
          if (!(error instanceof Unavailable)) throw error
          if (ended()) return
          await clock.sleep(retryMs, signal).catch(() => undefined)
          retryMs = Math.min(retryMs * 2, longestRetryMs)
          continue
        }
        for (const { sequence, event } of page.placed) {
          if (!matches(filter, event)) continue
          if (ended()) return
          told = sequence
          yield { kind: 'event', event }
        }
        cursor = page.reached
      }
    } finally {
      subscribers -= 1
      signal.removeEventListener('abort', onAbort)
    }
  }

  const append: EventLog['append'] = async (stream, expected, events) => {
    while (roundOfLarge !== undefined) await roundOfLarge
    const request = encodeAppend(stream, expected, events, maxAppendBytes)
    if (request.size >= largeAppend)
      roundOfLarge = nextRound().then(() => {
        roundOfLarge = undefined
      })
    return commits.submit(request)
  }

  const probe = async (): Promise<void> => {
    await commits.submit({ kind: 'probe', stream: '', size: 0 })
  }

  const close = async (): Promise<void> => {
    await commits.drain()
    await check?.stop()
    tail.wakeAll()
    closeReader()
    await port.close()
  }

  return {
    append,
    readStream,
    readAll,
    // The backlog is measured at the call, not when the first item is asked for.
    subscribe: (options) => follow(tail.head(), options),
    head: async () => toPosition(tail.head()),
    forget: async (stream) => {
      checkName('stream', stream)
      if (!isKeyStream(stream)) throw new Unacceptable(`only key streams can be forgotten, not ${stream}`)
      await commits.submit({ kind: 'forget', stream, size: 0 })
    },
    damageAfter: damages.after,
    check: async () => {
      const damage = damages.after(origin)
      if (damage !== undefined) throw new Damaged(`damaged at position ${damage.position}: ${damage.message}`, damage.position)
      // Who fails is tried again: without appends nobody would find out that there is room again.
      if (commits.metrics().failing !== undefined) await probe()
    },
    probe,
    metrics: () => ({ ...commits.metrics(), subscribers }),
    close: () => {
      closed ??= close()
      return closed
    },
  }
}

interface OpenFile {
  readonly port: WriterPort
  readonly last: number
  readonly reader: Reader
  closeReader(): void
}

const openFile = async (path: string, damages: Damages): Promise<OpenFile> => {
  try {
    if (path === inMemory) {
      const db = openWritingConnection(path)
      const writer = createWriter({ open: () => db, reopens: false })
      return { port: inlineWriter(writer), last: writer.last(), reader: createReader(db), closeReader: () => {} }
    }
    const { port, last } = await openThreadedWriter(path)
    try {
      const db = openReadingConnection(path)
      try {
        checkQuickly(db, path, damages.found)
        return { port, last, reader: createReader(db, damages), closeReader: () => db.close() }
      } catch (error) {
        db.close()
        throw error
      }
    } catch (error) {
      await port.close()
      throw error
    }
  } catch (error) {
    throw cannotBeOpened(path, error)
  }
}

/** The next stretch for a subscriber: from memory where that reaches back far enough, else from the disk. */
const nextPage = async ({
  tail,
  reader,
  after,
  upTo,
  filter,
}: {
  readonly tail: Tail
  readonly reader: Reader
  readonly after: number
  readonly upTo: number
  readonly filter: SubscribeOptions['filter']
}): Promise<Page> => {
  const placed = tail.after(after, upTo, pageEvents)
  if (placed === undefined) {
    await breath()
    return reader.forwards({ after, upTo, limit: pageEvents }, filter)
  }
  const last = placed.at(-1)?.sequence
  const full = placed.length >= pageEvents && last !== undefined
  return { placed, reached: full ? last : upTo, end: !full }
}

const firstRevision = (from: ReadStreamOptions['from'], backwards: boolean): number => {
  if (from === 'start') return 0
  if (from === 'end' || (from === undefined && backwards)) return Number.MAX_SAFE_INTEGER
  const revision = from ?? 0
  if (!Number.isSafeInteger(revision) || revision < 0) throw new Unacceptable(`${revision} is not a revision`)
  return revision
}
