import { backup, DatabaseSync, type StatementSync } from 'node:sqlite'
import { LRUCache } from 'lru-cache'
import { Unavailable } from '../../lib/errors.ts'
import { sha256 } from '../../lib/ids.ts'
import { origin, type Position } from '../../stores/event-log.ts'
import { createWalGauge, mostWalPages } from '../../stores/files/wal-gauge.ts'
import type { Projection, SqlValue, Tables, Tx } from '../projection.ts'

/** The tables of a view and the place in the log that was stored with them. */
export interface ViewFile {
  /** Sees what the open transaction has written, too. */
  readonly read: Tables
  /** The first thing that is written begins a transaction, which stays open until it is committed or rolled back. */
  readonly tx: Tx
  readonly stored: { readonly position: Position; readonly complete: boolean }
  /** Whether a transaction is open. */
  hasWritten(): boolean
  /** Commits the rows together with the position that they reflect. */
  commit(position: Position, complete: boolean): void
  rollback(): void
  /** Drops uncommitted rows. */
  close(): void
}

interface Prepared {
  readonly statement: StatementSync
  readonly writes: boolean
}

const keptStatements = 500
const cacheKiB = 8_192
const pageBytes = 4096

/**
 * Opens `file` (or `:memory:`), making its tables where they are missing. Throws on a file that is none of this version. `walGrown` is called
 * when the write-ahead log wants a checkpoint.
 */
export const openViewFile = (projection: Projection, file: string, walGrown: (file: string) => void): ViewFile => {
  const database = new DatabaseSync(file)
  try {
    // A new file becomes WAL without flushes (5 ms of a first start): one that a power failure leaves without its header is made again.
    database.exec(`PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;
      PRAGMA cache_size = -${cacheKiB}; PRAGMA wal_autocheckpoint = ${mostWalPages};
      PRAGMA journal_size_limit = ${mostWalPages * pageBytes}`)
    prepareTables(database, projection)
    return viewFile(database, () => walGrown(file))
  } catch (error) {
    database.close()
    throw error
  }
}

/** What a view's file holds at this moment, whatever is written to it from now on. */
export const openSnapshot = (file: string): { copyTo(target: string): Promise<void> } => {
  const source = new DatabaseSync(file, { readOnly: true })
  // A read transaction begins with its first read and sees the same rows until it ends.
  source.exec('BEGIN; SELECT position FROM _checkpoint')
  return {
    copyTo: async (target) => {
      try {
        await backup(source, target, { rate: pagesAtOnce })
      } finally {
        source.close()
      }
    },
  }
}

/** All of them: a backup in steps would hold this thread for each. */
const pagesAtOnce = 0x7fff_ffff

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

function viewFile(database: DatabaseSync, walGrown: () => void): ViewFile {
  const statements = new LRUCache<string, Prepared>({ max: keptStatements })
  const prepared = (sql: string): Prepared => {
    const known = statements.get(sql)
    if (known !== undefined) return known
    const made = { statement: database.prepare(sql), writes: !/^\s*SELECT\b/i.test(sql) }
    statements.set(sql, made)
    return made
  }
  const read: Tables = {
    get: <R>(sql: string, ...values: readonly SqlValue[]) => prepared(sql).statement.get(...values) as R | undefined,
    all: <R>(sql: string, ...values: readonly SqlValue[]) => prepared(sql).statement.all(...values) as R[],
  }

  let begun = false
  const begin = database.prepare('BEGIN IMMEDIATE')
  const commit = database.prepare('COMMIT')
  const hasWalGrown = createWalGauge(database)
  const writing = (sql: string): StatementSync => {
    const { statement, writes } = prepared(sql)
    if (writes && !begun) {
      begin.run()
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
  const stored = read.get<{ position: Position; complete: number }>(`SELECT position, complete FROM _checkpoint`)

  return {
    read,
    tx,
    stored: { position: stored?.position ?? origin, complete: stored?.complete === 1 },
    hasWritten: () => begun,
    commit: (position, complete) => {
      tx.run(`UPDATE _checkpoint SET position = ?, complete = ?`, position, complete ? 1 : 0)
      commit.run()
      begun = false
      // While a view is being filled no request waits for it: SQLite makes its own checkpoints, at the same total cost.
      if (complete && hasWalGrown()) walGrown()
    },
    rollback: () => {
      begun = false
      // SQLite may have rolled back by itself, on a full disk for one.
      if (database.isTransaction) database.exec('ROLLBACK')
    },
    close: () => database.close(),
  }
}

/** SQLite result codes that tell of the machine, not of the event: busy, locked, out of memory, read-only, I/O, full, cannot open. */
const environmentCodes = [5, 6, 7, 8, 10, 13, 14]

/** Whether the machine failed (disk full, I/O error), so that a later try can succeed. */
export const isEnvironment = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && environmentCodes.includes(Number(error.errcode) & 0xff)

/** Malformed, no database. */
const damageCodes = [11, 26]

/** The file of a view is not as SQLite has written it. The view is made again from the log. */
export class ViewDamaged extends Unavailable {
  override readonly name = 'ViewDamaged'
}

export const isDamagedFile = (error: unknown): boolean =>
  error instanceof ViewDamaged ||
  (error instanceof Error && 'errcode' in error && damageCodes.includes(Number(error.errcode) & 0xff))
