import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { instant } from '../../lib/clock.ts'
import { Damaged, messageOf, Unavailable } from '../../lib/errors.ts'
import type { EncodedEvent } from '../encode-append.ts'
import type { Filter, RecordedEvent } from '../event-log.ts'
import { damagedAt, isDamage } from './damage/checksum.ts'
import { largeEvent } from './lazy-large-event.ts'
import type { Placed } from './newest-events.ts'
import { toPosition } from './positions.ts'
import { type Recorded, StoredEvent } from './stored-event.ts'

/** Events per page and characters of text in one: what a single step may take from the disk before others have a turn. */
export const pageEvents = 256
const firstRows = 16
const pageSize = 4 * 1024 * 1024
/** Positions that a filtered step looks through at most. */
const pagePositions = 8192

/** A stretch of the log: what matches in it, and from where to go on. `end`: nothing more lies within the bounds. */
export interface Page {
  readonly placed: readonly Placed[]
  readonly reached: number
  readonly end: boolean
}

/** The positions after `after` up to and with `upTo`. */
export interface Bounds {
  readonly after: number
  readonly upTo: number
  readonly limit: number
}

/** Reads pages of the log. Each call is short and synchronous, and sees all committed events. Throws `Unavailable`. */
export interface Reader {
  stream(
    name: string,
    options: { from: number; backwards: boolean; limit: number },
  ): {
    readonly events: readonly RecordedEvent[]
    /** Whether the page is full: the stream may go on. */
    readonly more: boolean
  }
  /** `reached` is the new `after`. */
  forwards(bounds: Bounds, filter?: Filter): Page
  /** `reached` is the new `upTo`. */
  backwards(bounds: Bounds, filter?: Filter): Page
}

const changed = 'its bytes are not those that were written'

export interface ReaderOptions {
  readonly onDamage?: (damaged: Damaged) => void
  readonly isDamaged?: (sequence: number) => boolean
}

/** How the rows of a read are taken one by one. */
interface Way {
  /** Its last parameter is how many. */
  readonly rows: StatementSync
  readonly from: readonly SQLInputValue[]
  readonly next: (values: readonly SQLInputValue[], row: EventRow) => readonly SQLInputValue[]
  /** Where the row stands that is asked for with these values. */
  readonly place: (values: readonly SQLInputValue[]) => number
}

/** A row of `eventColumns`. */
export type EventRow = [
  position: number,
  stream: string,
  revision: number,
  type: string,
  id: string,
  data: string,
  metadata: string,
  recordedAt: number,
]

export const eventColumns = 'e.position, s.name, e.revision, e.type, e.id, e.data, e.metadata, e.recorded_at'

/** `onDamage` hears of every damage that a read meets; `isDamaged` knows of those that were found before. */
export const createReader = (db: DatabaseSync, { onDamage = () => {}, isDamaged = () => false }: ReaderOptions = {}): Reader => {
  const prepared = new Map<string, StatementSync>()
  const statement = (sql: string): StatementSync => {
    let known = prepared.get(sql)
    if (known === undefined) {
      known = db.prepare(sql, { returnArrays: true })
      prepared.set(sql, known)
    }
    return known
  }

  const streamRows = (backwards: boolean): StatementSync =>
    statement(`SELECT ${eventColumns} FROM streams s JOIN events e ON e.stream = s.id
      WHERE s.name = ? AND e.revision ${backwards ? '<=' : '>='} ? ORDER BY e.revision ${backwards ? 'DESC' : 'ASC'} LIMIT ?`)

  /** CROSS JOIN keeps SQLite on the order of positions, whatever it thinks of the filter. */
  const allRows = (backwards: boolean, filter: Filter | undefined): StatementSync => {
    const { column, prefixes } = conditions(filter)
    const filtered = prefixes.map(() => `substr(${column}, 1, length(?)) = ?`).join(' OR ')
    return statement(`SELECT ${eventColumns} FROM events e CROSS JOIN streams s ON s.id = e.stream
      WHERE e.position > ? AND e.position <= ? AND s.hidden = 0 ${filter === undefined ? '' : `AND (${filtered || '0'})`}
      ORDER BY e.position ${backwards ? 'DESC' : 'ASC'} LIMIT ?`)
  }

  /**
   * How many rows the next page may have: it grows while events are small and shrinks where they are large, so that a page stays within
   * its size although its rows are taken all at once (one by one costs 0.35 µs more for each).
   */
  let rows = firstRows

  const take = (
    statement: StatementSync,
    values: readonly SQLInputValue[],
    most: number,
  ): { placed: Placed[]; full: boolean } => {
    const limit = Math.min(most, rows)
    const placed = (statement.all(...values, limit) as unknown as EventRow[]).map(toPlaced)
    for (const { sequence } of placed) if (isDamaged(sequence)) throw damagedAt(toPosition(sequence), new Error(changed))
    const size = placed.reduce((sum, each) => sum + each.size, 0)
    const full = placed.length >= limit
    if (2 * size > pageSize) rows = Math.max(1, Math.floor(limit / 4))
    else if (full) rows = Math.min(pageEvents, Math.max(rows, 2 * limit))
    return { placed, full }
  }

  const page = (backwards: boolean, { after, upTo, limit }: Bounds, filter?: Filter): Page => {
    const most = Math.min(limit, pageEvents)
    const low = backwards ? Math.max(after, upTo - pagePositions) : after
    const high = backwards ? upTo : Math.min(upTo, after + pagePositions)
    const values = conditions(filter).prefixes.flatMap((prefix) => [prefix, prefix])
    const { placed, full } = take(allRows(backwards, filter), [low, high, ...values], most)
    const last = placed.at(-1)?.sequence ?? 0
    // A full page went as far as its last event; otherwise the whole stretch was seen.
    if (backwards) {
      const reached = full ? last - 1 : low
      return { placed, reached, end: reached <= after }
    }
    const reached = full ? last : high
    return { placed, reached, end: reached >= upTo }
  }

  /** What failed because of damaged bytes says where these are. */
  const guarded = <Result>(read: () => Result, way: () => Way): Result => {
    try {
      return read()
    } catch (error) {
      if (!isDamage(error)) throw new Unavailable(`the log cannot be read: ${messageOf(error)}`)
      const damaged = error instanceof Damaged ? error : locate(error, way())
      onDamage(damaged)
      throw damaged
    }
  }

  /** Takes the rows one by one, up to the one that is to blame. */
  const locate = (error: unknown, { rows, from, next, place }: Way): Damaged => {
    let values = from
    let at = place(values)
    try {
      for (let count = 0; count <= pageEvents; count++) {
        at = place(values)
        const [row] = rows.all(...values, 1) as unknown as EventRow[]
        if (row === undefined) break
        at = row[0]
        toPlaced(row)
        values = next(values, row)
      }
    } catch (found) {
      return damagedAt(toPosition(at), found)
    }
    return damagedAt(toPosition(at), error)
  }

  /** The index knows where an event stands that cannot be read itself. */
  const placeInStream = (backwards: boolean, values: readonly SQLInputValue[]): number => {
    try {
      const sql = `SELECT e.position FROM streams s JOIN events e INDEXED BY events_by_stream ON e.stream = s.id
        WHERE s.name = ? AND e.revision ${backwards ? '<=' : '>='} ? ORDER BY e.revision ${backwards ? 'DESC' : 'ASC'} LIMIT 1`
      return Number((statement(sql).get(...values) as unknown as [position: number] | undefined)?.[0] ?? 0)
    } catch {
      return 0
    }
  }

  const streamWay = (backwards: boolean, name: string, from: number): Way => ({
    rows: streamRows(backwards),
    from: [name, from],
    next: (_, [, , revision]) => [name, revision + (backwards ? -1 : 1)],
    place: (values) => placeInStream(backwards, values),
  })

  const pageWay = (backwards: boolean, { after, upTo }: Bounds, filter?: Filter): Way => {
    const prefixes = conditions(filter).prefixes.flatMap((prefix) => [prefix, prefix])
    return {
      rows: allRows(backwards, filter),
      from: [after, upTo, ...prefixes],
      next: ([low = 0, high = 0], [position]) => (backwards ? [low, position - 1, ...prefixes] : [position, high, ...prefixes]),
      place: ([low, high]) => (backwards ? Number(high) : Number(low) + 1),
    }
  }

  return {
    stream: (name, { from, backwards, limit }) =>
      guarded(
        () => {
          const most = Math.min(limit, pageEvents)
          const { placed, full } = take(streamRows(backwards), [name, from], most)
          return { events: placed.map(({ event }) => event), more: full }
        },
        () => streamWay(backwards, name, from),
      ),
    forwards: (bounds, filter) =>
      guarded(
        () => page(false, bounds, filter),
        () => pageWay(false, bounds, filter),
      ),
    backwards: (bounds, filter) =>
      guarded(
        () => page(true, bounds, filter),
        () => pageWay(true, bounds, filter),
      ),
  }
}

/** The rule of `matches`, in SQL. */
const conditions = (filter: Filter | undefined): { column: string; prefixes: readonly string[] } => {
  if (filter === undefined) return { column: '', prefixes: [] }
  return 'typePrefixes' in filter
    ? { column: 'e.type', prefixes: filter.typePrefixes }
    : { column: 's.name', prefixes: filter.streamPrefixes }
}

export const toPlaced = ([position, stream, revision, type, id, data, metadata, recordedAt]: EventRow): Placed =>
  place({ id, type, data, metadata }, { stream, revision, sequence: position, recordedAt: textOf(recordedAt) })

/** Events of one commit carry one instant, and neighbours are of one commit: it is put into words once (0.5 µs an event). */
const textOf = (() => {
  let last = Number.NaN
  let text = ''
  return (ms: number): string => {
    if (ms !== last) {
      text = instant(ms)
      last = ms
    }
    return text
  }
})()

/** The same on the way from the writer, where the values of an event may be known, and from the disk. */
export const place = (event: EncodedEvent, at: Omit<Recorded, 'position'> & { readonly sequence: number }): Placed => {
  const { id, type, data, metadata, values } = event
  const { stream, revision, sequence, recordedAt } = at
  const recorded = { stream, revision, position: toPosition(sequence), recordedAt }
  const size = data.length + metadata.length
  if (values !== undefined) return { sequence, size, event: { id, type, ...values, ...recorded } }
  return { sequence, size, event: event.isLarge === true ? largeEvent(event, recorded) : new StoredEvent(event, recorded) }
}
