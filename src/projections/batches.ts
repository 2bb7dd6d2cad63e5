import { batchEvents, batchPrefix } from '../events/batch.ts'
import { on, type Projection, type Views } from './projection.ts'

/** Batches that were accepted and are not completed: none of them for longer than a moment, unless a process ended in the middle. */
export const batches: Projection = {
  name: 'batches',
  version: 1,
  filter: { streamPrefixes: [batchPrefix] },
  schema: [`CREATE TABLE batches (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID`],
  apply: on(batchEvents, {
    BatchAccepted: ({ stream }, tx) => tx.run(`INSERT INTO batches VALUES (?) ON CONFLICT DO NOTHING`, idOf(stream)),
    BatchCompleted: ({ stream }, tx) => tx.run(`DELETE FROM batches WHERE id = ?`, idOf(stream)),
  }),
}

const idOf = (stream: string): string => stream.slice(batchPrefix.length)

export const openBatches = (views: Views): readonly string[] =>
  views.all<{ id: string }>(`SELECT id FROM batches ORDER BY id`).map(({ id }) => id)
