import type { Projection } from '../../src/projections/projection.ts'

/** Counts events of a stream category; `poison` names an event type that it cannot take. */
export const counts = ({ version = 1, prefix = 'thing-', poison = 'Poison' } = {}): Projection => ({
  name: 'counts',
  version,
  filter: { streamPrefixes: [prefix] },
  schema: [`CREATE TABLE counts (stream TEXT PRIMARY KEY, count INTEGER NOT NULL, version INTEGER NOT NULL) STRICT`],
  apply: ({ stream, type }, tx) => {
    tx.run(`INSERT INTO counts VALUES (?, 1, ?) ON CONFLICT DO UPDATE SET count = count + 1`, stream, version)
    if (type === poison) throw new Error('cannot take it')
  },
})
