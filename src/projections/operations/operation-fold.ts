import type { OperationEvent } from '../../events/operation.ts'
import { parseInstant } from '../../lib/clock.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'
import type { OperationRow } from './operation-row.ts'

/** A row in the hands of the fold. */
export type FoldedRow = { -readonly [Column in keyof OperationRow]: OperationRow[Column] }

type Recorded<Type extends OperationEvent['type']> = RecordedEvent & Extract<OperationEvent, { type: Type }>
/** What an event changes in a row; `at` is when it was recorded, in milliseconds since the epoch. */
type Changes = { readonly [Type in OperationEvent['type']]?: (event: Recorded<Type>, row: FoldedRow, at: number) => void }

/** The row of an operation that was just requested, the `seq`-th of the log, and where it stands in lists: never before `listedAt`. Throws what a malformed event makes it throw. */
export const requestedRow = (
  event: RecordedEvent,
  id: string,
  { seq, listedAt }: { readonly seq: number; readonly listedAt: number },
): FoldedRow => {
  const { data, metadata, revision, position } = event as Recorded<'OperationRequested'>
  const requestedAt = instantOf(event.recordedAt)
  const runAt = data.runAt === null ? null : parseInstant(data.runAt)
  const row: FoldedRow = {
    seq,
    id,
    kind: data.kind,
    face: data.face,
    lane: data.lane,
    priority: data.priority,
    state: 'pending',
    since: requestedAt,
    // The queries know 0 for at once: a time before 1970 is long over.
    ready_at: Math.max(runAt ?? 0, 0),
    attempt: 0,
    max_attempts: data.policy.attempts,
    requested_at: requestedAt,
    listed_at: Math.max(requestedAt, listedAt),
    run_at: runAt,
    retry_at: null,
    started_at: null,
    finished_at: null,
    deadline: null,
    principal: metadata.actor.principal,
    requested_by: JSON.stringify(metadata.actor),
    worker: null,
    correlation_id: metadata.correlationId,
    parent: data.parent,
    retry_of: data.retryOf,
    external_ref: data.externalRef,
    labels: data.labels === undefined ? null : JSON.stringify(data.labels),
    limits: data.limits === undefined ? null : JSON.stringify(data.limits),
    admission: null,
    gate: null,
    schedule: data.schedule ?? null,
    slot: data.slot ?? null,
    targets: null,
    revision,
    position,
    progress: null,
    error: null,
    result: null,
    input: JSON.stringify(data.input),
  }
  if (row.limits !== null) row.gate = gateOf(row)
  return row
}

/** Operations without a lane that wait for the same limits, and for the same workers, wait in one line. */
const gateOf = ({ limits, lane, kind }: FoldedRow): string | null =>
  limits === null || lane !== null ? null : `${limits}${kind}`

/** Notes that an attempt may start; false where it says nothing to the row any longer. */
export const admit = (row: FoldedRow, { attempt, number }: { readonly attempt: number; readonly number: number }): boolean => {
  if (row.ready_at === null || row.limits === null || attempt !== row.attempt + 1) return false
  row.admission = number
  row.gate = null
  return true
}

/**
 * Changes a row by an event, in place (a copy for each event takes twice as long); false where the row has seen the event before, or the event
 * says nothing to it.
 */
export const change = (row: FoldedRow, event: RecordedEvent): boolean => {
  const by = changes[event.type as keyof Changes] as ((...given: [RecordedEvent, FoldedRow, number]) => void) | undefined
  if (by === undefined || event.revision <= row.revision) return false
  by(event, row, instantOf(event.recordedAt))
  row.revision = event.revision
  row.position = event.position
  return true
}

const enter = (row: FoldedRow, state: OperationRow['state'], at: number): void => {
  row.state = state
  row.since = at
}

const waitNoMore = (row: FoldedRow): void => {
  row.ready_at = null
  row.retry_at = null
  row.admission = null
  row.gate = null
}

const end = (row: FoldedRow, state: OperationRow['state'], at: number): void => {
  enter(row, state, at)
  waitNoMore(row)
  row.finished_at = at
  row.deadline = null
}

/** What changes other tables alone. */
const elsewhere = (): void => {}

const changes: Changes = {
  OperationStarted: ({ data }, row, at) => {
    enter(row, 'running', at)
    waitNoMore(row)
    row.progress = null
    row.started_at ??= at
    row.attempt = data.attempt
    row.worker = data.worker
    row.deadline = parseInstant(data.deadline)
  },
  OperationProgressed: ({ data, recordedAt }, row) => {
    // The result of a recorded step is not progress.
    if (data.step !== undefined) return
    row.progress = JSON.stringify({ fraction: data.fraction, phase: data.phase, detail: data.detail, at: recordedAt })
  },
  OperationLabelled: ({ data }, row) => {
    row.labels = JSON.stringify({ ...JSON.parse(row.labels ?? '{}'), ...data.labels })
  },
  OperationTargetsListed: elsewhere,
  OperationTargetStarted: elsewhere,
  OperationTargetSucceeded: elsewhere,
  OperationTargetFailed: elsewhere,
  OperationAttemptFailed: ({ data }, row, at) => {
    enter(row, 'retrying', at)
    row.retry_at = parseInstant(data.retryAt)
    row.ready_at = row.retry_at
    row.deadline = null
    row.attempt = data.attempt
    row.error = JSON.stringify(data.error)
    row.gate = gateOf(row)
  },
  OperationHeld: ({ data }, row) => {
    if (row.ready_at === null || row.admission === null || row.admission > data.admission) return
    row.admission = null
    row.gate = gateOf(row)
  },
  OperationCancelRequested: (_event, row, at) => enter(row, 'cancelling', at),
  OperationSucceeded: ({ data }, row, at) => {
    end(row, 'succeeded', at)
    row.attempt = data.attempt
    row.error = null
    row.result = JSON.stringify(data.result)
  },
  OperationFailed: ({ data }, row, at) => {
    end(row, 'failed', at)
    row.attempt = data.attempt
    row.error = JSON.stringify(data.error)
  },
  OperationCancelled: (_event, row, at) => end(row, 'cancelled', at),
  OperationTimedOut: ({ data }, row, at) => {
    end(row, 'timed-out', at)
    row.attempt = data.attempt
    const message = `attempt ${data.attempt} ran over its time limit of ${data.timeoutMs} ms`
    row.error = JSON.stringify({ type: 'timed-out', message, retryable: false })
  },
}

/** Events of one commit carry one instant: it is parsed once. */
const instantOf = (() => {
  let text = ''
  let at = 0
  return (recordedAt: string): number => {
    if (recordedAt !== text) {
      at = parseInstant(recordedAt)
      text = recordedAt
    }
    return at
  }
})()
