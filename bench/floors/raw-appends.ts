import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { newId } from '../../src/lib/ids.ts'
import { historyOf } from '../lib/history.ts'
import { answerTask } from '../lib/task.ts'

export interface AppendRun {
  readonly directory: string
  /** Appends of one event that are on their way at a time. */
  readonly callers: number
  readonly count: number
}
export interface AppendSpeed {
  readonly perSecond: number
  /** Events in a commit, on average. */
  readonly perCommit: number
}

/** The same rows through node:sqlite alone, `callers` to a transaction; a quarter more goes first and is not counted. */
answerTask(async ({ directory, callers, count }: AppendRun): Promise<AppendSpeed> => {
  const db = new DatabaseSync(join(directory, `raw-${process.pid}.db`))
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
    CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT NOT NULL, revision INTEGER NOT NULL, type TEXT NOT NULL,
      id TEXT NOT NULL, data TEXT NOT NULL, metadata TEXT NOT NULL, recorded_at INTEGER NOT NULL) STRICT`)
  const insert = db.prepare(
    'INSERT INTO events (stream, revision, type, id, data, metadata, recorded_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  const { stream, events } = historyOf(new Date())
  const [event] = events
  const append = (total: number): number => {
    const begun = performance.now()
    for (let done = 0; done < total; ) {
      db.exec('BEGIN IMMEDIATE')
      for (let caller = 0; caller < callers && done < total; caller++, done++)
        insert.run(
          stream,
          done,
          event?.type ?? '',
          newId(),
          JSON.stringify(event?.data),
          JSON.stringify(event?.metadata),
          Date.now(),
        )
      db.exec('COMMIT')
    }
    return total / ((performance.now() - begun) / 1000)
  }
  append(Math.ceil(count / 4))
  const perSecond = append(count)
  db.close()
  return { perSecond, perCommit: callers }
})
