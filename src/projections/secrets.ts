import { holdsSealed } from '../commands/schemas/zod-places.ts'
import type { EventDefinition } from '../events/define.ts'
import { operationPrefix } from '../events/operation.ts'
import { sealedIn } from '../events/sealed.ts'
import { type Remains, secretPrefix } from '../events/secret.ts'
import type { RecordedEvent } from '../stores/event-log.ts'
import type { Projection, Tx, Views } from './projection.ts'

/** Events of an operation that hold what somebody handed over or a work made. */
const operationTypes = ['OperationRequested', 'OperationSucceeded', 'OperationTargetSucceeded']

/**
 * Whose secrets are sealed, which events hold them, and what was forgotten; never a value. `definitions` are those with members that are
 * `sealed()`: their events are looked through beside those of operations.
 */
export const secretsView = (definitions: readonly EventDefinition[]): Projection => {
  const sealing = new Set(
    definitions.flatMap(({ category, schemas }) =>
      Object.entries(schemas).flatMap(([type, schema]) => (holdsSealed(schema) ? `${category}-${type}` : [])),
    ),
  )
  return {
    name: 'secrets',
    version: 2,
    filter: { streamPrefixes: [operationPrefix, secretPrefix, ...definitions.map(({ category }) => `${category}-`)] },
    schema: [
      `CREATE TABLE subjects (subject TEXT PRIMARY KEY, sealed_at TEXT, events INTEGER NOT NULL, forgotten_at TEXT, receipt TEXT) STRICT`,
      `CREATE TABLE uses (subject TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (subject, user)) STRICT, WITHOUT ROWID`,
    ],
    apply: (event, tx) => {
      const { stream, type, data } = event
      if (stream.startsWith(operationPrefix)) {
        if (operationTypes.includes(type) || (type === 'OperationProgressed' && data.step !== undefined))
          noteSealed(event, stream.slice(operationPrefix.length), tx)
      } else if (stream.startsWith(secretPrefix)) {
        if (type === 'SecretForgotten') noteForgotten(event, tx)
      } else if (sealing.has(`${stream.slice(0, stream.indexOf('-'))}-${type}`)) noteSealed(event, stream, tx)
    },
  }
}

/** A sealed value that names no subject is its stream's own. */
const noteSealed = ({ data, stream, recordedAt }: RecordedEvent, user: string, tx: Tx): void => {
  for (const subject of new Set(sealedIn(data).map((sealed) => sealed.subject ?? stream))) {
    tx.run(
      `INSERT INTO subjects VALUES (?, ?, 1, NULL, NULL)
       ON CONFLICT (subject) DO UPDATE SET events = events + 1, sealed_at = ifnull(sealed_at, excluded.sealed_at)`,
      subject,
      recordedAt,
    )
    tx.run(`INSERT INTO uses VALUES (?, ?) ON CONFLICT DO NOTHING`, subject, user)
  }
}

const noteForgotten = ({ data, stream, position, recordedAt }: RecordedEvent, tx: Tx): void => {
  const receipt = JSON.stringify({ events: data.events, remains: data.remains, position })
  tx.run(
    `INSERT INTO subjects VALUES (?, NULL, 0, ?, ?)
     ON CONFLICT (subject) DO UPDATE SET forgotten_at = excluded.forgotten_at, receipt = excluded.receipt`,
    stream.slice(secretPrefix.length),
    recordedAt,
    receipt,
  )
}

interface Row {
  readonly subject: string
  readonly sealed_at: string | null
  readonly events: number
  readonly forgotten_at: string | null
  readonly receipt: string | null
}

export interface Subject {
  readonly subject: string
  readonly sealedAt: string | null
  /** Ids of operations and names of other streams. */
  readonly usedBy: readonly string[]
  readonly forgottenAt: string | null
  /** How many events hold sealed values of it. */
  readonly events: number
  readonly receipt: { readonly events: number; readonly remains: readonly Remains[]; readonly position: string } | null
}

export const secretQueries = (views: Views) => {
  const shown = ({ subject, sealed_at, events, forgotten_at, receipt }: Row): Subject => ({
    subject,
    sealedAt: sealed_at,
    usedBy: views.all<{ user: string }>(`SELECT user FROM uses WHERE subject = ? ORDER BY user`, subject).map(({ user }) => user),
    forgottenAt: forgotten_at,
    events,
    receipt: receipt === null ? null : JSON.parse(receipt),
  })
  return {
    bySubject: (subject: string): Subject | undefined => {
      const row = views.get<Row>(`SELECT * FROM subjects WHERE subject = ?`, subject)
      return row && shown(row)
    },
    /** In order of the subjects. */
    list: (after: string, limit: number): readonly Subject[] =>
      views.all<Row>(`SELECT * FROM subjects WHERE subject > ? ORDER BY subject LIMIT ?`, after, limit).map(shown),
  }
}
