import type { OperationState } from '../../events/operation.ts'

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
  /** JSON, null where there are none. */
  readonly labels: string | null
  readonly limits: string | null
  /** The number of the admission by which the next attempt may start; null where it has none, or needs none. */
  readonly admission: number | null
  /** Where it waits for its limits without a lane: its keys and its kind; null where it may be rung for. */
  readonly gate: string | null
  readonly schedule: string | null
  readonly slot: string | null
  /** How many targets there are and how far they are (`targets.ts`), JSON; null where it has none. */
  readonly targets: string | null
  readonly revision: number
  readonly position: string
  readonly progress: string | null
  readonly error: string | null
  readonly result: string | null
  readonly input: string
}
