import type { OperationEvent } from '../events/operation.ts'
import { parseInstant } from '../lib/clock.ts'
import type { RecordedEvent } from '../stores/event-log.ts'
import type { OperationRow } from './operation-resource.ts'

type Recorded<Type extends OperationEvent['type']> = RecordedEvent & Extract<OperationEvent, { type: Type }>
/** What an event changes in a row; `at` is when it was recorded, in milliseconds since the epoch. */
type Changes = { readonly [Type in OperationEvent['type']]?: (event: Recorded<Type>, row: OperationRow, at: number) => Change }
type Change = Partial<OperationRow>

/** The row of an operation that was just requested, the `seq`-th of the log. Throws what a malformed event makes it throw. */
export const requestedRow = (event: RecordedEvent, id: string, seq: number): OperationRow => {
  const { data, metadata, revision, position } = event as Recorded<'OperationRequested'>
  const requestedAt = instantOf(event.recordedAt)
  const runAt = data.runAt === null ? null : parseInstant(data.runAt)
  return {
    seq,
    id,
    kind: data.kind,
    face: data.face,
    lane: data.lane,
    priority: data.priority,
    state: 'pending',
    since: requestedAt,
    ready_at: runAt ?? 0,
    attempt: 0,
    max_attempts: data.policy.attempts,
    requested_at: requestedAt,
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
    revision,
    position,
    progress: null,
    error: null,
    result: null,
    input: JSON.stringify(data.input),
  }
}

/** The row after an event; the same row where it has seen the event before, or the event says nothing to it. */
export const changedRow = (row: OperationRow, event: RecordedEvent): OperationRow => {
  const change = changes[event.type as keyof Changes] as ((...given: [RecordedEvent, OperationRow, number]) => Change) | undefined
  if (change === undefined || event.revision <= row.revision) return row
  return { ...row, ...change(event, row, instantOf(event.recordedAt)), revision: event.revision, position: event.position }
}

const notWaiting = { ready_at: null, retry_at: null }
const ended = (state: OperationRow['state'], at: number): Change => ({
  ...notWaiting,
  state,
  since: at,
  finished_at: at,
  deadline: null,
})

const changes: Changes = {
  OperationStarted: ({ data }, row, at) => ({
    ...notWaiting,
    state: 'running',
    since: at,
    progress: null,
    started_at: row.started_at ?? at,
    attempt: data.attempt,
    worker: data.worker,
    deadline: parseInstant(data.deadline),
  }),
  OperationProgressed: ({ data, recordedAt }) =>
    // The result of a recorded step is no progress.
    data.step !== undefined
      ? {}
      : { progress: JSON.stringify({ fraction: data.fraction, phase: data.phase, detail: data.detail, at: recordedAt }) },
  OperationAttemptFailed: ({ data }, _row, at) => {
    const retryAt = parseInstant(data.retryAt)
    return {
      state: 'retrying',
      since: at,
      ready_at: retryAt,
      retry_at: retryAt,
      deadline: null,
      attempt: data.attempt,
      error: JSON.stringify(data.error),
    }
  },
  OperationCancelRequested: (_event, _row, at) => ({ state: 'cancelling', since: at }),
  OperationSucceeded: ({ data }, _row, at) => ({
    ...ended('succeeded', at),
    attempt: data.attempt,
    error: null,
    result: JSON.stringify(data.result),
  }),
  OperationFailed: ({ data }, _row, at) => ({
    ...ended('failed', at),
    attempt: data.attempt,
    error: JSON.stringify(data.error),
  }),
  OperationCancelled: (_event, _row, at) => ended('cancelled', at),
  OperationTimedOut: ({ data }, _row, at) => {
    const message = `attempt ${data.attempt} ran over its time limit of ${data.timeoutMs} ms`
    return {
      ...ended('timed-out', at),
      attempt: data.attempt,
      error: JSON.stringify({ type: 'timed-out', message, retryable: false }),
    }
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
