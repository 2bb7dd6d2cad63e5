import { operationPrefix } from '../events/operation.ts'
import type { Position, RecordedEvent } from '../stores/event-log.ts'
import type { Projection, Tables, Tx, Views } from './projection.ts'

/**
 * Which event caused which: one row for each event. `parent` is the position of its cause, null for the event that began a connection. A
 * cause is what the event names as its `causationId` (an event, or an operation by its id), else the operation that its data name, else the
 * first event of its stream, else the first of its correlation. A request begins a connection: others of the same correlation did not cause it.
 */
export const trail: Projection = {
  name: 'trail',
  version: 1,
  filter: { streamPrefixes: [''] },
  schema: [
    `CREATE TABLE events (position TEXT PRIMARY KEY, id TEXT NOT NULL, stream TEXT NOT NULL, revision INTEGER NOT NULL, parent TEXT)
      STRICT, WITHOUT ROWID`,
    `CREATE INDEX by_id ON events (id)`,
    `CREATE INDEX by_parent ON events (parent, position) WHERE parent IS NOT NULL`,
    // The events that caused others: far fewer than there are events.
    `CREATE TABLE causes (position TEXT PRIMARY KEY, parent TEXT) STRICT, WITHOUT ROWID`,
    `CREATE INDEX causes_by_parent ON causes (parent) WHERE parent IS NOT NULL`,
    `CREATE TABLE firsts (name TEXT PRIMARY KEY, position TEXT NOT NULL) STRICT, WITHOUT ROWID`,
  ],
  apply: (event, tx) => {
    const { position, id, stream, revision, metadata } = event
    const correlation = `correlation ${metadata.correlationId}`
    const inStream = `stream ${stream}`
    const parent =
      cancelOf(event, tx) ??
      causeOf(event, tx) ??
      firstOf(inStream, tx) ??
      (isRequest(event) ? null : (firstOf(correlation, tx) ?? null))
    tx.run(`INSERT INTO events VALUES (?, ?, ?, ?, ?)`, position, id, stream, revision, parent)
    if (parent !== null)
      tx.run(`INSERT INTO causes SELECT position, parent FROM events WHERE position = ? ON CONFLICT DO NOTHING`, parent)
    const names = [correlation, inStream, ...(event.type === 'OperationCancelRequested' ? [`cancel ${stream}`] : [])]
    for (const name of names) tx.run(`INSERT INTO firsts VALUES (?, ?) ON CONFLICT DO NOTHING`, name, position)
  },
}

/** Somebody from outside asked, or an operation begins. */
const isRequest = ({ stream, metadata: { actor } }: RecordedEvent): boolean =>
  actor.address !== null || stream.startsWith(operationPrefix)

/** The cause of a cancellation is the request for it. */
const cancelOf = ({ type, stream }: RecordedEvent, tx: Tx): Position | undefined =>
  type === 'OperationCancelled' ? firstOf(`cancel ${stream}`, tx) : undefined

const firstOf = (name: string, tables: Tables): Position | undefined =>
  tables.get<{ position: Position }>(`SELECT position FROM firsts WHERE name = ?`, name)?.position

const positionOf = (id: string, tables: Tables): Position | undefined =>
  tables.get<{ position: Position }>(`SELECT position FROM events WHERE id = ?`, id)?.position

const causeOf = ({ stream, data, metadata: { causationId } }: RecordedEvent, tx: Tx): Position | undefined => {
  const named = [causationId, data.operation].find((one) => typeof one === 'string')
  if (named === undefined) return undefined
  const ofOperation = `${operationPrefix}${named}`
  return positionOf(named, tx) ?? (stream === ofOperation ? undefined : firstOf(`stream ${ofOperation}`, tx))
}

/** Where an event stands. */
export interface Step {
  readonly position: Position
  readonly stream: string
  readonly revision: number
}

const columns = `position, stream, revision`

export type TrailQueries = ReturnType<typeof trailQueries>

/** An event whose effects come from more causes than this has all of them walked through for each page. */
const mostCauses = 100

/** Causes and effects, of what was recorded up to a position. */
export const trailQueries = (views: Views, upTo: Position) => ({
  byId: (id: string): Step | undefined =>
    views.get<Step>(`SELECT ${columns} FROM events WHERE id = ? AND position <= ?`, id, upTo),
  firstOfStream: (stream: string): Step | undefined =>
    views.get<Step>(
      `SELECT ${columns} FROM events WHERE position = (SELECT position FROM firsts WHERE name = ?) AND position <= ?`,
      `stream ${stream}`,
      upTo,
    ),
  /** The chain from what began the connection to the event, which is the last. */
  causes: (position: Position): readonly Step[] =>
    views.all<Step>(
      `WITH RECURSIVE chain AS (
         SELECT * FROM events WHERE position = ?
         UNION SELECT events.* FROM events JOIN chain ON events.position = chain.parent
       ) SELECT ${columns} FROM chain ORDER BY position`,
      position,
    ),
  /** What the event caused, directly or through others, the oldest first. */
  effects: (
    position: Position,
    { after = '', limit }: { readonly after?: Position | undefined; readonly limit: number },
  ): readonly Step[] => {
    const parents = views.all<{ position: Position }>(
      `WITH RECURSIVE within (position) AS (
         SELECT ? UNION SELECT causes.position FROM causes JOIN within ON causes.parent = within.position WHERE causes.position <= ?
       ) SELECT position FROM within LIMIT ?`,
      position,
      upTo,
      mostCauses + 1,
    )
    if (parents.length > mostCauses) return walked(views, { position, upTo, after, limit })
    return parents
      .flatMap((parent) =>
        views.all<Step>(
          `SELECT ${columns} FROM events WHERE parent = ? AND position > ? AND position <= ? ORDER BY position LIMIT ?`,
          parent.position,
          after,
          upTo,
          limit,
        ),
      )
      .sort((one, other) => (one.position < other.position ? -1 : 1))
      .slice(0, limit)
  },
})

const walked = (
  views: Views,
  { position, upTo, after, limit }: { position: Position; upTo: Position; after: Position; limit: number },
): readonly Step[] =>
  views.all<Step>(
    `WITH RECURSIVE caused AS (
       SELECT * FROM events WHERE parent = ? AND position <= ?
       UNION SELECT events.* FROM events JOIN caused ON events.parent = caused.position WHERE events.position <= ?
       ORDER BY 1
     ) SELECT ${columns} FROM caused WHERE position > ? LIMIT ?`,
    position,
    upTo,
    upTo,
    after,
    limit,
  )
