import { requestedNames } from '../../commands/targets.ts'
import { type OperationError, type OperationEvent, type OperationRequest, terminalTypes } from '../../events/operation.ts'
import { instant, parseInstant } from '../../lib/clock.ts'
import type { JsonValue } from '../../lib/json.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'
import { anyOf, type Keyset, type ListOf, listOf } from '../keyset-list.ts'
import type { Tx, Views } from '../projection.ts'
import type { FoldedRow } from './operation-fold.ts'
import type { OperationRow } from './operation-row.ts'
import { shown } from './shown-json.ts'

/** `waiting` also of those that are shown as skipped: what their operation is at says that, so that its end does not rewrite 10,000 rows. */
export const targetSchema = [
  `CREATE TABLE targets (
    operation INTEGER NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, started_at INTEGER, finished_at INTEGER,
    error TEXT, result TEXT, PRIMARY KEY (operation, place)
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX targets_by_state ON targets (operation, state, place)`,
]

/** Source: native contract, section 10. */
export const targetStates = ['waiting', 'running', 'succeeded', 'failed', 'skipped'] as const
export type TargetState = (typeof targetStates)[number]

/** How many targets an operation has, and how many are in each state. */
export type TargetCounts = { readonly total: number } & { readonly [State in TargetState]: number }

export interface TargetResource {
  readonly name: string
  readonly state: TargetState
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly error: OperationError | null
  readonly result: JsonValue
}

type Stored = Exclude<TargetState, 'skipped'>
/** What `OperationRow.targets` holds; the others wait or are skipped. */
type Counted = { total: number } & { [State in Exclude<Stored, 'waiting'>]: number }

interface TargetRow {
  readonly place: number
  readonly name: string
  readonly state: Stored
  readonly started_at: number | null
  readonly finished_at: number | null
  readonly error: string | null
  readonly result: string | null
}

type Recorded<Type extends OperationEvent['type']> = RecordedEvent & Extract<OperationEvent, { type: Type }>
const isOf = <Type extends OperationEvent['type']>(event: RecordedEvent, type: Type): event is Recorded<Type> =>
  event.type === type

/** Writes the targets of operations, at once, and counts them in the row of their operation. */
export const targetTables = (tx: Tx) => {
  const insert = (row: FoldedRow, from: number, names: readonly string[]): void => {
    tx.run(
      `INSERT INTO targets (operation, place, name, state) SELECT ?1, ?2 + key, value, 'waiting' FROM json_each(?3)`,
      row.seq,
      from,
      JSON.stringify(names),
    )
    count(row, { total: from + names.length, running: 0, succeeded: 0, failed: 0 })
  }

  const move = (row: FoldedRow, place: number, state: Exclude<Stored, 'waiting'>): boolean => {
    const before = tx.get<{ state: Stored }>(`SELECT state FROM targets WHERE operation = ? AND place = ?`, row.seq, place)?.state
    if (before === undefined) return false
    const counted = countedIn(row)
    if (before !== 'waiting') counted[before]--
    counted[state]++
    count(row, counted)
    return true
  }

  const finish = (row: FoldedRow, event: Recorded<'OperationTargetSucceeded' | 'OperationTargetFailed'>): void => {
    const { place } = event.data
    const state = event.type === 'OperationTargetSucceeded' ? 'succeeded' : 'failed'
    if (!move(row, place, state)) return
    tx.run(
      `UPDATE targets SET state = ?, finished_at = ?, error = ?, result = ? WHERE operation = ? AND place = ?`,
      state,
      parseInstant(event.recordedAt),
      'error' in event.data ? JSON.stringify(event.data.error) : null,
      'result' in event.data ? JSON.stringify(event.data.result) : null,
      row.seq,
      place,
    )
  }

  const start = (row: FoldedRow, { data, recordedAt }: Recorded<'OperationTargetStarted'>): void => {
    if (!move(row, data.place, 'running')) return
    tx.run(
      `UPDATE targets SET state = 'running', started_at = ?, finished_at = NULL, error = NULL, result = NULL WHERE operation = ? AND place = ?`,
      parseInstant(recordedAt),
      row.seq,
      data.place,
    )
  }

  /** Those that ran when their attempt was lost or handed back wait again. */
  const interrupt = (row: FoldedRow): void => {
    const counted = countedIn(row)
    if (counted.running === 0) return
    tx.run(`UPDATE targets SET state = 'waiting', started_at = NULL WHERE operation = ? AND state = 'running'`, row.seq)
    count(row, { ...counted, running: 0 })
  }

  return {
    /** Of an operation that was just requested. */
    request: (row: FoldedRow, request: Pick<OperationRequest, 'targets' | 'input'>): void => {
      const names = requestedNames(request)
      if (names !== undefined) insert(row, 0, names)
    },
    /** Of an event that its row has just taken. */
    apply: (row: FoldedRow, event: RecordedEvent): void => {
      if (isOf(event, 'OperationTargetsListed')) {
        const { from, names } = event.data
        if (from === 0) tx.run(`DELETE FROM targets WHERE operation = ?`, row.seq)
        insert(row, from, names)
      } else if (row.targets === null) return
      else if (isOf(event, 'OperationTargetStarted')) start(row, event)
      else if (isOf(event, 'OperationTargetSucceeded') || isOf(event, 'OperationTargetFailed')) finish(row, event)
      else if (endsAttempt.has(event.type)) interrupt(row)
    },
  }
}

const endsAttempt: ReadonlySet<string> = new Set(['OperationAttemptFailed', ...terminalTypes])

const countedIn = ({ targets }: Pick<OperationRow, 'targets'>): Counted => JSON.parse(targets ?? '{}')
const count = (row: FoldedRow, counted: Counted): void => {
  row.targets = JSON.stringify(counted)
}

/** Where no other target is started, in this attempt or ever, those that have not started are skipped. */
const skipsRest = ({ state, finished_at, error }: OperationRow): boolean =>
  finished_at !== null || (state === 'retrying' && error !== null && (JSON.parse(error) as OperationError).type === targetsFailed)

const targetsFailed = 'targets-failed'

/** What the world sees of an operation's targets; null where it has none. */
export const targetCounts = (row: OperationRow): TargetCounts | null => {
  if (row.targets === null) return null
  const { total, running, succeeded, failed } = countedIn(row)
  const rest = total - running - succeeded - failed
  const skipped = skipsRest(row) ? rest : 0
  return { total, waiting: rest - skipped, running, succeeded, failed, skipped }
}

/** The targets of an operation, in order; the place is the key of the list. */
export const listTargets = (
  views: Views,
  row: OperationRow,
  { state, ...page }: Keyset & { readonly state?: readonly TargetState[] | undefined },
): ListOf<TargetResource> => {
  const rest = skipsRest(row) ? 'skipped' : 'waiting'
  const other = rest === 'skipped' ? 'waiting' : 'skipped'
  const stored = state?.filter((one) => one !== other).map((one) => (one === rest ? 'waiting' : one))
  if (stored?.length === 0) return { items: [], next: null }
  return listOf<TargetRow, TargetResource>(views, {
    ...page,
    select: `SELECT place, name, state, started_at, finished_at, error, result FROM targets`,
    conditions: [{ sql: `operation = ?`, values: [row.seq] }, anyOf('state', stored)],
    keys: ['place'],
    order: 'ASC',
    keyOf: ({ place }) => [place],
    rowOf: ({ name, state: stored, started_at, finished_at, error, result }) => ({
      name,
      state: stored === 'waiting' ? rest : stored,
      startedAt: started_at === null ? null : instant(started_at),
      finishedAt: finished_at === null ? null : instant(finished_at),
      error: error === null ? null : JSON.parse(error),
      result: result === null ? null : shown(result),
    }),
  })
}
