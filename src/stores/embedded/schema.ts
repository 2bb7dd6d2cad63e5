import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Unavailable } from '../../lib/errors.ts'
import { makeDirectory } from '../files/make-directory.ts'
import { mostWalPages } from '../files/wal-gauge.ts'

/** The name that keeps a log in memory alone. */
export const inMemory = ':memory:'

/** Written into the file's header: a log of another version is refused, never guessed at. */
const schemaVersion = 1

const busyTimeoutMs = 10_000
const largestIdleWalBytes = 64 * 1024 * 1024

/**
 * Stream names are kept once; an event row holds a number. `position` is the row id, so reading the log in order is a scan.
 * `floor` keeps positions growing after the last events of the log were forgotten. `sum` is a checksum of the row; events of earlier
 * releases have none.
 */
const tables = `
  CREATE TABLE streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, hidden INTEGER NOT NULL) STRICT;
  CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    data TEXT NOT NULL,
    metadata TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    sum INTEGER
  ) STRICT;
  CREATE UNIQUE INDEX events_by_stream ON events (stream, revision);
  CREATE TABLE floor (position INTEGER NOT NULL) STRICT;
  INSERT INTO floor VALUES (0);
  PRAGMA user_version = ${schemaVersion};
`

/** The one connection that writes. Throws `Unavailable` for a file of another version and whatever SQLite throws. */
export const openWritingConnection = (path: string): DatabaseSync => {
  if (path !== inMemory) makeDirectory(dirname(path))
  const db = new DatabaseSync(path, { timeout: busyTimeoutMs })
  try {
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
      PRAGMA wal_autocheckpoint = ${mostWalPages}; PRAGMA journal_size_limit = ${largestIdleWalBytes};`)
    const version = Number(db.prepare('PRAGMA user_version').get()?.user_version)
    if (version === 0) db.exec(`BEGIN IMMEDIATE; ${tables} COMMIT`)
    else if (version !== schemaVersion)
      throw new Unavailable(`it has format ${version}, and this release reads format ${schemaVersion}`)
    else addSum(db)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Whether events have checksums; a log of an earlier release has none until a server was started on it. */
export const hasSums = (db: DatabaseSync): boolean =>
  db.prepare(`SELECT count(*) AS known FROM pragma_table_info('events') WHERE name = 'sum'`).get()?.known === 1

const addSum = (db: DatabaseSync): void => {
  if (!hasSums(db)) db.exec('ALTER TABLE events ADD COLUMN sum INTEGER')
}

/** A read-only connection; it sees committed events only. */
export const openReadingConnection = (path: string): DatabaseSync => {
  const db = new DatabaseSync(path, { timeout: busyTimeoutMs })
  db.exec('PRAGMA query_only = ON')
  return db
}

/** The last position that was ever given out; 0 for an empty log. */
export const lastPosition = (db: DatabaseSync): number =>
  Number(
    db.prepare('SELECT max(ifnull((SELECT max(position) FROM events), 0), (SELECT position FROM floor)) AS last').get()?.last,
  )
