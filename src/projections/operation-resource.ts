import type { Actor } from '../events/define.ts'
import type { OperationError, OperationState } from '../events/operation.ts'
import { masked } from '../events/sealed.ts'
import { instant } from '../lib/clock.ts'
import type { JsonValue } from '../lib/json.ts'
import type { WaitingFor } from './operation-waiting.ts'

/** A row of the table `operations`; instants in milliseconds since the epoch, JSON as text. */
export interface OperationRow {
  /** Counts requests in log order. */
  readonly seq: number
  readonly id: string
  readonly kind: string
  readonly face: string | null
  readonly lane: string | null
  readonly priority: number
  readonly state: OperationState
  /** When the state began. */
  readonly since: number
  /** When a waiting operation may start, 0 for at once; null where it does not wait. */
  readonly ready_at: number | null
  readonly attempt: number
  readonly max_attempts: number
  readonly requested_at: number
  /** As `requested_at`, but never before that of an earlier request. */
  readonly listed_at: number
  readonly run_at: number | null
  readonly retry_at: number | null
  readonly started_at: number | null
  readonly finished_at: number | null
  /** Of the attempt that runs; null where none does. */
  readonly deadline: number | null
  readonly principal: string
  readonly requested_by: string
  /** Who has, or had, the last attempt. */
  readonly worker: string | null
  readonly correlation_id: string
  readonly parent: string | null
  readonly retry_of: string | null
  readonly external_ref: string | null
  readonly revision: number
  readonly position: string
  readonly progress: string | null
  readonly error: string | null
  readonly result: string | null
  readonly input: string
}

export interface OperationProgress {
  readonly fraction: number | null
  readonly phase: string | null
  readonly detail: string | null
  readonly at: string
}

/** An operation as the native API shows it. Source: native contract, section 2. */
export interface OperationResource {
  readonly id: string
  readonly kind: string
  readonly face: string | null
  readonly lane: string | null
  readonly state: OperationState
  readonly attempt: number
  readonly maxAttempts: number
  readonly requestedAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly requestedBy: Actor
  readonly worker: string | null
  readonly progress: OperationProgress | null
  readonly waitingFor: WaitingFor | null
  readonly input: JsonValue
  readonly result: JsonValue
  readonly error: OperationError | null
  readonly correlationId: string
  readonly parent: string | null
  readonly retryOf: string | null
  readonly revision: number
  readonly position: string
}

/** What the world sees of a row. */
export const operationResource = (row: OperationRow, waitingFor: WaitingFor | null): OperationResource => ({
  id: row.id,
  kind: row.kind,
  face: row.face,
  lane: row.lane,
  state: row.state,
  attempt: row.attempt,
  maxAttempts: row.max_attempts,
  requestedAt: instant(row.requested_at),
  startedAt: orNull(row.started_at, instant),
  finishedAt: orNull(row.finished_at, instant),
  requestedBy: JSON.parse(row.requested_by),
  worker: row.worker,
  progress: orNull(row.progress, JSON.parse),
  waitingFor,
  input: shown(row.input),
  result: orNull(row.result, shown),
  error: orNull(row.error, JSON.parse),
  correlationId: row.correlation_id,
  parent: row.parent,
  retryOf: row.retry_of,
  revision: row.revision,
  position: row.position,
})

const orNull = <Value, Shown>(value: Value | null, show: (value: Value) => Shown): Shown | null =>
  value === null ? null : show(value)

const shown = (text: string): JsonValue => (text.includes('"$sealed"') ? masked(JSON.parse(text)) : JSON.parse(text))
