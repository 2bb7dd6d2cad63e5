import { type AdmissionEvent, admissionStream } from '../../events/admission.ts'
import { type LimitEvent, limitPrefix, mostRateCount } from '../../events/limit.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'
import type { Tx } from '../projection.ts'
import type { OperationRow } from './operation-row.ts'

/** What an operation that has not ended is to each of its limits. */
export const phases = { waiting: 0, admitted: 1, running: 2 } as const

/**
 * Tables beside the operations, which those without limits never touch. `limit_members` has a row for each key that an unfinished
 * operation names; `limit_starts` one for each of the newest starts of a key, counted from 1 for each key: as many as
 * the greatest rate counts.
 */
export const limitSchema: readonly string[] = [
  `CREATE TABLE limits (
    key TEXT PRIMARY KEY, concurrency INTEGER, count INTEGER, per_ms INTEGER, revision INTEGER NOT NULL, position TEXT NOT NULL
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE limit_members (
    key TEXT NOT NULL, seq INTEGER NOT NULL, phase INTEGER NOT NULL, ready_at INTEGER NOT NULL, PRIMARY KEY (key, seq)
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX limit_phases ON limit_members (key, phase, ready_at)`,
  `CREATE TABLE limit_starts (
    key TEXT NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (key, n)
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX limit_starts_at ON limit_starts (key, at)`,
  `CREATE TABLE admissions (only INTEGER PRIMARY KEY, revision INTEGER NOT NULL) STRICT`,
]

interface Start {
  readonly limits: string
  readonly at: number
}

export const limitTables = (tx: Tx) => {
  /** Of the stream of admissions, as the table will have it. */
  let revision: number | undefined
  let starts: Start[] = []

  const known = (): number => {
    revision ??= tx.get<{ revision: number }>(`SELECT revision FROM admissions`)?.revision ?? -1
    return revision
  }

  return {
    /** The attempt that an event of the stream of admissions lets start; undefined where it does not, or was seen before. */
    admitted: (event: RecordedEvent): { readonly operation: string; readonly attempt: number } | undefined => {
      if (event.stream !== admissionStream || event.revision <= known()) return undefined
      revision = event.revision
      const { type, data } = event as RecordedEvent & AdmissionEvent
      return type === 'AttemptAdmitted' ? data : undefined
    },

    /** An attempt of an operation with limits has started. */
    started: ({ limits }: OperationRow, at: number): void => {
      if (limits !== null) starts.push({ limits, at })
    },

    /** What an event of a limit's stream changes. */
    applyLimit: (event: RecordedEvent): void => {
      const { type, data } = event as RecordedEvent & LimitEvent
      const key = event.stream.slice(limitPrefix.length)
      if (type === 'LimitSet')
        tx.run(
          `INSERT OR REPLACE INTO limits VALUES (?, ?, ?, ?, ?, ?)`,
          key,
          data.concurrency,
          data.rate?.count ?? null,
          data.rate?.perMs ?? null,
          event.revision,
          event.position,
        )
      else if (type === 'LimitRemoved') tx.run(`DELETE FROM limits WHERE key = ?`, key)
    },

    /** To be called with each row of an operation with limits that is written; `isNew` where the table never saw it. */
    writeMember: (row: OperationRow, isNew: boolean): void => {
      const phase = phaseOf(row)
      if (phase !== undefined)
        tx.run(
          `INSERT OR REPLACE INTO limit_members SELECT value, ?, ?, ? FROM json_each(?)`,
          row.seq,
          phase,
          phase === phases.waiting ? row.ready_at : 0,
          row.limits,
        )
      else if (!isNew)
        tx.run(`DELETE FROM limit_members WHERE seq = ? AND key IN (SELECT value FROM json_each(?))`, row.seq, row.limits)
    },

    write: (): void => {
      for (const { limits, at } of starts)
        tx.run(
          `INSERT INTO limit_starts
           SELECT value, coalesce((SELECT max(n) FROM limit_starts WHERE key = value), 0) + 1, ? FROM json_each(?)`,
          at,
          limits,
        )
      for (const limits of new Set(starts.map(({ limits }) => limits)))
        for (const key of JSON.parse(limits) as readonly string[])
          tx.run(
            `DELETE FROM limit_starts WHERE key = ?1 AND n <= (SELECT max(n) FROM limit_starts WHERE key = ?1) - ?2`,
            key,
            mostRateCount,
          )
      starts = []
      if (revision !== undefined && revision >= 0) tx.run(`INSERT OR REPLACE INTO admissions VALUES (1, ?)`, revision)
      revision = undefined
    },

    discard: (): void => {
      revision = undefined
      starts = []
    },
  }
}

const phaseOf = ({ ready_at, admission, deadline }: OperationRow): number | undefined => {
  if (ready_at !== null) return admission === null ? phases.waiting : phases.admitted
  return deadline === null ? undefined : phases.running
}
