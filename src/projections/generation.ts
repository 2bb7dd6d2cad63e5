import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { LRUCache } from 'lru-cache'
import { messageOf, Unavailable } from '../lib/errors.ts'
import { sha256 } from '../lib/ids.ts'
import { origin, type Position, type RecordedEvent } from '../stores/event-log.ts'
import type { Projection, SqlValue, Tx, Views } from './projection.ts'

/** An event that a projection could not take. */
export interface Poison {
  readonly position: Position
  readonly message: string
}

/** One filled or filling copy of a view's tables, with the place in the log that it has reached. */
export interface Generation extends Views {
  readonly file: string
  /** Where the view stands; ahead of the stored checkpoint only over events that changed nothing in it. */
  position(): Position
  /** Whether it ever held the whole log; one that never did must not replace another. */
  complete(): boolean
  /**
   * Applies events in log order, rows and checkpoint in one transaction, until `enough` says so or one is poison: those
   * before it stay applied. `done` counts the events that are behind. Throws `Unavailable` where SQLite itself fails
   * (full disk and the like): nothing of this call is applied then.
   */
  apply(events: readonly RecordedEvent[], enough: () => boolean): { readonly done: number; readonly poison?: Poison }
  /** Nothing that concerns the view lies between its position and this one. Stored when `store` or enough has passed. */
  advance(position: Position, options?: { readonly store?: boolean }): void
  markComplete(): void
  close(): void
}

const keptStatements = 500
/** A view that writes nothing stores its position after so many moves, so that a restart does not read the log from long ago. */
const movesPerStore = 200
const cacheKiB = 32_768
const walPages = 4000

interface Prepared {
  readonly statement: StatementSync
  readonly writes: boolean
}

/** Opens the tables of a view in `file` (or `:memory:`), making them where they are missing. Throws on a file that is none of this version. */
export const openGeneration = (projection: Projection, file: string): Generation => {
  const database = new DatabaseSync(file)
  try {
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;
      PRAGMA cache_size = -${cacheKiB}; PRAGMA wal_autocheckpoint = ${walPages}`)
    prepareTables(database, projection)
    return generation(database, projection, file)
  } catch (error) {
    database.close()
    throw error
  }
}

function prepareTables(database: DatabaseSync, projection: Projection): void {
  const fingerprint = sha256(JSON.stringify([projection.name, projection.version, projection.schema]))
  database.exec(`BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS _checkpoint
      (id INTEGER PRIMARY KEY CHECK (id = 1), position TEXT NOT NULL, complete INTEGER NOT NULL, fingerprint TEXT NOT NULL) STRICT`)
  const known = database.prepare(`SELECT fingerprint FROM _checkpoint`).get()
  if (known === undefined) {
    for (const statement of projection.schema) database.exec(statement)
    database.prepare(`INSERT INTO _checkpoint VALUES (1, ?, 0, ?)`).run(origin, fingerprint)
  } else if (known.fingerprint !== fingerprint) throw new Error(`the tables of the view ${projection.name} have another schema`)
  database.exec('COMMIT')
}

function generation(database: DatabaseSync, projection: Projection, file: string): Generation {
  const statements = new LRUCache<string, Prepared>({ max: keptStatements })
  const prepared = (sql: string): Prepared => {
    const known = statements.get(sql)
    if (known !== undefined) return known
    const made = { statement: database.prepare(sql), writes: !/^\s*SELECT\b/i.test(sql) }
    statements.set(sql, made)
    return made
  }
  const read: Views = {
    get: <R>(sql: string, ...values: readonly SqlValue[]) => prepared(sql).statement.get(...values) as R | undefined,
    all: <R>(sql: string, ...values: readonly SqlValue[]) => prepared(sql).statement.all(...values) as R[],
  }

  /** A transaction begins with the first thing that is written, so that events which change nothing cost none. */
  let begun = false
  const writing = (sql: string): StatementSync => {
    const { statement, writes } = prepared(sql)
    if (writes && !begun) {
      prepared('BEGIN IMMEDIATE').statement.run()
      begun = true
    }
    return statement
  }
  const tx: Tx = {
    get: <R>(sql: string, ...values: readonly SqlValue[]) => writing(sql).get(...values) as R | undefined,
    all: <R>(sql: string, ...values: readonly SqlValue[]) => writing(sql).all(...values) as R[],
    run: (sql, ...values) => {
      writing(sql).run(...values)
    },
  }
  const row = read.get<{ position: Position; complete: number }>(`SELECT position, complete FROM _checkpoint`)
  let position = row?.position ?? origin
  let complete = row?.complete === 1
  /** How often the position has moved since it was stored. */
  let moves = 0

  const transaction = <Result>(work: () => Result): Result => {
    begun = false
    try {
      const result = work()
      if (begun) prepared('COMMIT').statement.run()
      return result
    } catch (error) {
      // SQLite may have rolled back by itself, on a full disk for one.
      if (database.isTransaction) prepared('ROLLBACK').statement.run()
      throw error
    }
  }
  const store = (at: Position): void => {
    tx.run(`UPDATE _checkpoint SET position = ?, complete = ?`, at, complete ? 1 : 0)
    moves = 0
  }

  /** All of `events` or none; says at which one it failed. */
  const applyAll = (events: readonly RecordedEvent[], enough: () => boolean): number | { failedAt: number; error: unknown } => {
    let index = 0
    try {
      transaction(() => {
        for (; index < events.length; index++) {
          if (index > 0 && enough()) break
          projection.apply(events[index] as RecordedEvent, tx)
        }
        if (begun || ++moves >= movesPerStore) store((events[index - 1] as RecordedEvent).position)
      })
      return index
    } catch (error) {
      return { failedAt: index, error }
    }
  }

  return {
    file,
    ...read,
    position: () => position,
    complete: () => complete,
    apply: (events, enough) => {
      if (events.length === 0) return { done: 0 }
      const first = applyAll(events, enough)
      if (typeof first === 'number') {
        position = (events[first - 1] as RecordedEvent).position
        return { done: first }
      }
      const culprit = events[first.failedAt]
      if (culprit === undefined || isEnvironment(first.error))
        throw new Unavailable(messageOf(first.error), { cause: first.error })
      const good = events.slice(0, first.failedAt)
      if (good.length > 0) {
        const again = applyAll(good, () => false)
        if (typeof again !== 'number') throw new Unavailable(messageOf(again.error), { cause: again.error })
        position = (good.at(-1) as RecordedEvent).position
      }
      const message = `${culprit.type} in ${culprit.stream} at revision ${culprit.revision}: ${messageOf(first.error)}`
      return { done: good.length, poison: { position: culprit.position, message } }
    },
    advance: (to, options = {}) => {
      if (to > position) {
        position = to
        moves++
      }
      if (moves > 0 && (options.store === true || moves >= movesPerStore)) transaction(() => store(position))
    },
    markComplete: () => {
      complete = true
      transaction(() => store(position))
    },
    close: () => database.close(),
  }
}

/** SQLite result codes that tell of the machine, not of the event: busy, locked, out of memory, read-only, I/O, full, cannot open. */
const environmentCodes = [5, 6, 7, 8, 10, 13, 14]
const isEnvironment = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && environmentCodes.includes(Number(error.errcode) & 0xff)
