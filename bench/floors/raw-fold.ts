import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { answerTask } from '../lib/task.ts'
import type { RebuildOrder, Rebuilt } from '../tasks/rebuild-views.ts'

const eventsPerCommit = 5_000

/** Reads the same events in order and keeps one row for each operation, through node:sqlite alone. */
answerTask(async ({ dataDir, directory }: RebuildOrder): Promise<Rebuilt> => {
  const log = new DatabaseSync(join(dataDir, 'log.db'), { readOnly: true })
  const view = new DatabaseSync(join(directory, 'fold.db'))
  view.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    CREATE TABLE operations (stream INTEGER PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL,
      result TEXT, revision INTEGER NOT NULL, changed_at INTEGER NOT NULL) STRICT`)
  const insert = view.prepare(`INSERT INTO operations VALUES (?, ?, 'pending', 0, NULL, 0, ?)`)
  const change = view.prepare(
    'UPDATE operations SET state = ?, attempt = ?, result = ?, revision = ?, changed_at = ? WHERE stream = ?',
  )
  const events = log.prepare('SELECT stream, revision, type, data, recorded_at FROM events ORDER BY position', {
    returnArrays: true,
  })
  const begun = performance.now()
  let handled = 0
  view.exec('BEGIN')
  for (const row of events.iterate() as Iterable<unknown>) {
    const [stream, revision, type, text, at] = row as [number, number, string, string, number]
    const data = JSON.parse(text) as { readonly kind?: string; readonly attempt?: number; readonly result?: unknown }
    if (type === 'OperationRequested') insert.run(stream, data.kind ?? '', at)
    else
      change.run(
        type === 'OperationStarted' ? 'running' : 'succeeded',
        data.attempt ?? 0,
        data.result === undefined ? null : JSON.stringify(data.result),
        revision,
        at,
        stream,
      )
    if (++handled % eventsPerCommit === 0) view.exec('COMMIT; BEGIN')
  }
  view.exec('COMMIT')
  const seconds = (performance.now() - begun) / 1000
  view.close()
  log.close()
  return { seconds, handled }
})
