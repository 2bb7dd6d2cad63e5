import { operationPrefix } from '../events/operation.ts'
import { isSealed, type Sealed, sealingSubject } from '../events/sealed.ts'
import { type Remains, secretPrefix } from '../events/secret.ts'
import { isObject } from '../lib/json.ts'
import type { RecordedEvent } from '../stores/event-log.ts'
import type { Projection, Tx, Views } from './projection.ts'

/** Whose secrets are sealed, which events hold them, and what was forgotten; never a value. */
export const secrets: Projection = {
  name: 'secrets',
  version: 1,
  filter: { streamPrefixes: [operationPrefix, secretPrefix] },
  schema: [
    `CREATE TABLE subjects (subject TEXT PRIMARY KEY, sealed_at TEXT, events INTEGER NOT NULL, forgotten_at TEXT, receipt TEXT) STRICT`,
    `CREATE TABLE uses (subject TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (subject, user)) STRICT, WITHOUT ROWID`,
  ],
  apply: (event, tx) => {
    if (event.type === 'OperationRequested') noteSealed(event, tx)
    else if (event.type === 'SecretForgotten' && event.stream.startsWith(secretPrefix)) noteForgotten(event, tx)
  },
}

const noteSealed = ({ data, stream, recordedAt }: RecordedEvent, tx: Tx): void => {
  const id = stream.slice(operationPrefix.length)
  const subjects = new Set(sealedIn(data.input).map(({ subject }) => subject ?? sealingSubject(id)))
  for (const subject of subjects) {
    tx.run(
      `INSERT INTO subjects VALUES (?, ?, 1, NULL, NULL)
       ON CONFLICT (subject) DO UPDATE SET events = events + 1, sealed_at = ifnull(sealed_at, excluded.sealed_at)`,
      subject,
      recordedAt,
    )
    tx.run(`INSERT INTO uses VALUES (?, ?) ON CONFLICT DO NOTHING`, subject, id)
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

/** One list for all: lists of lists of a megabyte of small members take 25 ms and much garbage. */
const sealedIn = (value: unknown, found: Sealed[] = []): readonly Sealed[] => {
  if (isSealed(value)) found.push(value)
  else if (Array.isArray(value)) for (const item of value) sealedIn(item, found)
  else if (isObject(value)) for (const name in value) sealedIn(value[name], found)
  return found
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
  /** Ids of operations, the earliest first. */
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
