import type { DatabaseSync } from 'node:sqlite'
import { messageOf } from '../../../lib/errors.ts'
import { hasSums } from '../schema.ts'
import { checksum } from './checksum.ts'

/** The position of a damaged event, and what is wrong with it. */
export interface Damage {
  readonly position: number
  readonly message: string
}

type CheckedRow = [
  position: number,
  stream: string | null,
  revision: number,
  type: string,
  id: string,
  data: string,
  metadata: string,
  recordedAt: number,
  sum: number | null,
]

const rowSql = (
  sum: string,
): string => `SELECT e.position, s.name, e.revision, e.type, e.id, e.data, e.metadata, e.recorded_at, ${sum}
  FROM events e LEFT JOIN streams s ON s.id = e.stream`

/** Checks stretches of the log row by row; each call is one short read. Throws nothing of the file's. */
export const createRowCheck = (db: DatabaseSync) => {
  const next = db.prepare(
    `${rowSql(hasSums(db) ? 'e.sum' : 'NULL')} WHERE e.position > ? AND e.position <= ? ORDER BY e.position LIMIT ?`,
    {
      returnArrays: true,
    },
  )

  const faultOf = ([position, stream, revision, type, id, data, metadata, recordedAt, sum]: CheckedRow): string | undefined => {
    if (stream === null) return 'its stream is not known'
    try {
      JSON.parse(data)
      JSON.parse(metadata)
    } catch (error) {
      return messageOf(error)
    }
    if (sum === null || sum === checksum({ id, type, data, metadata }, { stream, revision, position, recordedAt }))
      return undefined
    return 'its bytes are not those that were written'
  }

  /** The first position after an unreadable place that can be read, or the end. */
  const beyond = (after: number, end: number): number => {
    for (let step = 1; after + step < end; step *= 2) {
      try {
        next.all(after + step, end, 1)
        return after + step
      } catch {
        // Still in it.
      }
    }
    return end
  }

  return {
    /** At most `limit` rows after a position, and the position to go on from; `end` when there is nothing more. */
    check: (
      after: number,
      end: number,
      limit: number,
    ): { readonly damages: readonly Damage[]; readonly reached: number; readonly rows: number } => {
      try {
        const rows = next.all(after, end, limit) as unknown as CheckedRow[]
        const damages = rows.flatMap((row) => {
          const message = faultOf(row)
          return message === undefined ? [] : [{ position: row[0], message }]
        })
        return { damages, reached: rows.length < limit ? end : (rows.at(-1)?.[0] ?? end), rows: rows.length }
      } catch (error) {
        if (limit > 1) return { damages: [], reached: after, rows: 0 }
        return { damages: [{ position: after + 1, message: messageOf(error) }], reached: beyond(after, end), rows: 0 }
      }
    },
  }
}
