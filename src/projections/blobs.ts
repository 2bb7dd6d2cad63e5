import { type BlobEvent, blobPrefix } from '../events/blob.ts'
import { type OperationRequest, operationOf, operationPrefix, terminalTypes } from '../events/operation.ts'
import type { RecordedEvent } from '../stores/event-log.ts'
import { type ListOf, listOf } from './keyset-list.ts'
import type { Projection, Tx, Views } from './projection.ts'

/** Blobs that are stored, and which operations that have not ended use them. */
export const blobs: Projection = {
  name: 'blobs',
  version: 1,
  filter: { streamPrefixes: [blobPrefix, operationPrefix] },
  schema: [
    `CREATE TABLE blobs (
      id TEXT PRIMARY KEY, position TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, content_type TEXT NOT NULL, created_at TEXT NOT NULL,
      file TEXT NOT NULL, revision INTEGER NOT NULL, is_used INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX blobs_by_use ON blobs (is_used, position)`,
    `CREATE TABLE uses (operation TEXT NOT NULL, blob TEXT NOT NULL, PRIMARY KEY (operation, blob)) STRICT, WITHOUT ROWID`,
    `CREATE INDEX users ON uses (blob, operation)`,
  ],
  apply: (event, tx) => {
    if (event.stream.startsWith(operationPrefix)) noteUse(event, tx)
    else noteBlob(event, tx)
  },
}

const noteBlob = (event: RecordedEvent, tx: Tx): void => {
  const { type, data } = event as RecordedEvent & BlobEvent
  const id = event.stream.slice(blobPrefix.length)
  if (type === 'BlobStored')
    tx.run(
      `INSERT OR REPLACE INTO blobs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ${isUsed('?1')})`,
      id,
      event.position,
      data.size,
      data.contentType,
      event.recordedAt,
      data.file,
      event.revision,
    )
  else if (type === 'BlobDeleted') tx.run(`DELETE FROM blobs WHERE id = ?`, id)
}

const ends: ReadonlySet<string> = new Set(terminalTypes)

/** Whether an operation that has not ended uses a blob. */
const isUsed = (id: string): string => `EXISTS (SELECT 1 FROM uses WHERE blob = ${id})`

const noteUse = (event: RecordedEvent, tx: Tx): void => {
  const operation = operationOf(event)
  if (event.type === 'OperationRequested') {
    for (const file of (event.data as OperationRequest).files ?? []) {
      tx.run(`INSERT OR IGNORE INTO uses VALUES (?, ?)`, operation, file)
      tx.run(`UPDATE blobs SET is_used = 1 WHERE id = ?`, file)
    }
  } else if (ends.has(event.type)) {
    const used = tx.all<{ blob: string }>(`SELECT blob FROM uses WHERE operation = ?`, operation)
    // Most operations use none: nothing is written for them, so that no transaction is begun.
    if (used.length > 0) tx.run(`DELETE FROM uses WHERE operation = ?`, operation)
    for (const { blob } of used) tx.run(`UPDATE blobs SET is_used = ${isUsed('?1')} WHERE id = ?1`, blob)
  }
}

interface Record {
  readonly id: string
  readonly position: string
  readonly size: number
  readonly content_type: string
  readonly created_at: string
  readonly file: string
  readonly revision: number
}

export interface StoredBlob {
  readonly id: string
  readonly size: number
  readonly contentType: string
  readonly createdAt: string
  /** The reference in the store of uploads. */
  readonly file: string
  readonly revision: number
}

const rowOf = ({ id, size, content_type, created_at, file, revision }: Record): StoredBlob => ({
  id,
  size,
  contentType: content_type,
  createdAt: created_at,
  file,
  revision,
})

export const blobQueries = (views: Views) => ({
  byId: (id: string): StoredBlob | undefined => {
    const record = views.get<Record>(`SELECT * FROM blobs WHERE id = ?`, id)
    return record && rowOf(record)
  },
  /** The id of an operation that uses the blob and has not ended, the earliest one. */
  userOf: (id: string): string | undefined =>
    views.get<{ operation: string }>(`SELECT operation FROM uses WHERE blob = ? ORDER BY operation LIMIT 1`, id)?.operation,
  /** The newest first. `unused` asks for those that no operation uses, or (false) for the others. */
  list: ({
    limit,
    after,
    unused,
  }: {
    readonly limit: number
    readonly after?: readonly (string | number)[] | undefined
    readonly unused?: boolean | undefined
  }): ListOf<StoredBlob> =>
    listOf<Record, StoredBlob>(views, {
      select: `SELECT * FROM blobs`,
      conditions: [unused === undefined ? undefined : { sql: `is_used = ?`, values: [unused ? 0 : 1] }],
      keys: ['position'],
      order: 'DESC',
      limit,
      after,
      keyOf: ({ position }) => [position],
      rowOf,
    }),
})
