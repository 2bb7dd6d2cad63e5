import { laneEvents } from '../events/lane.ts'
import { operationEvents } from '../events/operation.ts'
import { type Clock, parseInstant } from '../lib/clock.ts'
import type { RecordedEvent } from '../stores/event-log.ts'
import { listPlaces, type OperationListOptions, type OperationPlace } from './operation-list.ts'
import { type OperationResource, type OperationRow, operationResource } from './operation-resource.ts'
import { operationSchedule } from './operation-schedule.ts'
import { type Surroundings, waitingFor } from './operation-waiting.ts'
import { on, type Projection, type SqlValue, type Tx, type Views } from './projection.ts'

/**
 * Every operation and who holds which lane. Instants are milliseconds since the epoch.
 *
 * `ready_at` is when a waiting operation may be started (0: at once) and null for every other one, so that the indices
 * for starting hold what waits and nothing else. `lanes.earliest` says the same of the operation that may start next in a
 * lane, and a lane that nobody holds or waits for has no row.
 */
export const operations: Projection = {
  name: 'operations',
  version: 1,
  filter: { streamPrefixes: ['operation-', 'lane-'] },
  schema: [
    `CREATE TABLE operations (
      seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, face TEXT, lane TEXT, priority INTEGER NOT NULL,
      state TEXT NOT NULL, since INTEGER NOT NULL, ready_at INTEGER, attempt INTEGER NOT NULL, max_attempts INTEGER NOT NULL,
      requested_at INTEGER NOT NULL, run_at INTEGER, retry_at INTEGER, started_at INTEGER, finished_at INTEGER, deadline INTEGER,
      principal TEXT NOT NULL, requested_by TEXT NOT NULL, worker TEXT, correlation_id TEXT NOT NULL, parent TEXT, retry_of TEXT,
      external_ref TEXT, revision INTEGER NOT NULL, position TEXT NOT NULL, progress TEXT, error TEXT, result TEXT
    ) STRICT`,
    // Apart from the row, because it is large, never changes, and a row is rewritten as a whole.
    `CREATE TABLE inputs (seq INTEGER PRIMARY KEY, input TEXT NOT NULL) STRICT`,
    `CREATE TABLE lanes (lane TEXT PRIMARY KEY, holder TEXT, since INTEGER, earliest INTEGER, stale INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
    `CREATE INDEX by_time ON operations (requested_at)`,
    `CREATE INDEX by_state ON operations (state, requested_at)`,
    `CREATE INDEX by_kind ON operations (kind, state, requested_at)`,
    `CREATE INDEX by_face ON operations (face, state, requested_at) WHERE face IS NOT NULL`,
    `CREATE INDEX by_principal ON operations (principal, state, requested_at)`,
    `CREATE INDEX by_lane ON operations (lane, requested_at) WHERE lane IS NOT NULL`,
    `CREATE INDEX by_external_ref ON operations (external_ref) WHERE external_ref IS NOT NULL`,
    `CREATE INDEX ready_now ON operations (lane, priority) WHERE ready_at = 0`,
    `CREATE INDEX ready_later ON operations (lane, ready_at) WHERE ready_at > 0`,
    `CREATE INDEX active ON operations (deadline) WHERE deadline IS NOT NULL`,
    `CREATE INDEX active_by_worker ON operations (worker) WHERE deadline IS NOT NULL`,
    `CREATE INDEX lanes_open ON lanes (earliest) WHERE earliest IS NOT NULL`,
    `CREATE INDEX lanes_stale ON lanes (lane) WHERE stale = 1`,
  ],
  apply: (event, tx) => (event.stream.startsWith('lane-') ? applyLane(event, tx) : applyOperation(event, tx)),
}

/** The part of the leases that the queries ask: who lives at `now` and what they take. */
export interface LiveWorkers {
  live(now: number): readonly { readonly worker: string; readonly kinds: readonly string[] }[]
}

export interface OperationPage {
  readonly items: readonly OperationResource[]
  /** Pass as `after` for the next page; null on the last one. */
  readonly next: OperationPlace | null
}

/** Everything that is asked of the view `operations`. What a row cannot know (leases, the clock) is looked up while asking. */
export const operationQueries = ({
  views,
  leases,
  clock,
}: {
  readonly views: Views
  readonly leases: LiveWorkers
  readonly clock: Clock
}) => {
  const schedule = operationSchedule(views)
  const rows = `SELECT o.*, i.input FROM operations o JOIN inputs i USING (seq)`

  /** Answers of one request share what they look up. */
  const surroundings = (): Surroundings => {
    const now = clock.now()
    const kinds = new Set(leases.live(now).flatMap((lease) => lease.kinds))
    const inLane = once((lane: string) => {
      const holder = schedule.laneHolder(lane)
      return { holder, next: holder === undefined ? schedule.nextInLane(lane, now)?.id : undefined }
    })
    return {
      now,
      taken: (kind) => kinds.has(kind),
      ahead: ({ id, lane }) => {
        if (lane === null) return undefined
        const { holder, next } = inLane(lane)
        if (holder !== undefined) return holder === id ? undefined : { operation: holder, holds: true }
        return next === undefined || next === id ? undefined : { operation: next, holds: false }
      },
    }
  }

  const shown = (row: OperationRow, around = surroundings()): OperationResource => operationResource(row, waitingFor(row, around))

  return {
    ...schedule,

    byId: (id: string): OperationResource | undefined => {
      const row = views.get<OperationRow>(`${rows} WHERE o.id = ?`, id)
      return row && shown(row)
    },

    /** The row behind a resource: with deadline, retryAt, runAt and the input still sealed. */
    row: (id: string): OperationRow | undefined => views.get<OperationRow>(`${rows} WHERE o.id = ?`, id),

    list: (options: OperationListOptions): OperationPage => {
      const places = listPlaces(views, options)
      const around = surroundings()
      const page = places.slice(0, options.limit)
      const items = page.flatMap(([, seq]) => {
        const row = views.get<OperationRow>(`${rows} WHERE o.seq = ?`, seq)
        return row === undefined ? [] : [shown(row, around)]
      })
      return { items, next: places.length > options.limit ? (page.at(-1) ?? null) : null }
    },

    /** The newest operation that a face knows by a name of its own. */
    byExternalRef: (
      ref: string,
      { face, kind }: { readonly face?: string; readonly kind?: string } = {},
    ): OperationResource | undefined => {
      const row = views.get<OperationRow>(
        `${rows} WHERE o.external_ref = ?1 AND (?2 IS NULL OR o.face = ?2) AND (?3 IS NULL OR o.kind = ?3) ORDER BY o.seq DESC LIMIT 1`,
        ref,
        face ?? null,
        kind ?? null,
      )
      return row && shown(row)
    },

    /** How many operations are in each state. */
    countByState: (): Readonly<Record<string, number>> =>
      Object.fromEntries(
        views
          .all<{ state: string; count: number }>(`SELECT state, count(*) AS count FROM operations GROUP BY state`)
          .map(({ state, count }) => [state, count]),
      ),
  }
}

const once = <Value>(find: (key: string) => Value): ((key: string) => Value) => {
  const found = new Map<string, Value>()
  return (key) => {
    const known = found.get(key)
    if (known !== undefined) return known
    const value = find(key)
    found.set(key, value)
    return value
  }
}

const streamKey = (stream: string): string => stream.slice(stream.indexOf('-') + 1)
const timeOf = (event: RecordedEvent): number => parseInstant(event.recordedAt)

const applyOperation = on(operationEvents, {
  OperationRequested: (event, tx) => {
    const { data, metadata } = event
    const requestedAt = timeOf(event)
    const runAt = data.runAt === null ? null : parseInstant(data.runAt)
    const inserted = tx.get<{ seq: number }>(
      `INSERT INTO operations (id, kind, face, lane, priority, state, since, ready_at, attempt, max_attempts, requested_at, run_at,
         principal, requested_by, correlation_id, parent, retry_of, external_ref, revision, position)
       VALUES (?, ?, ?, ?, ?, 'pending', ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING RETURNING seq`,
      streamKey(event.stream),
      data.kind,
      data.face,
      data.lane,
      data.priority,
      requestedAt,
      runAt ?? 0,
      data.policy.attempts,
      requestedAt,
      runAt,
      metadata.actor.principal,
      JSON.stringify(metadata.actor),
      metadata.correlationId,
      data.parent,
      data.retryOf,
      data.externalRef,
      event.revision,
      event.position,
    )
    if (inserted === undefined) return
    tx.run(`INSERT INTO inputs (seq, input) VALUES (?, ?)`, inserted.seq, JSON.stringify(data.input))
    if (data.lane === null) return
    tx.run(`INSERT INTO lanes (lane, stale) VALUES (?, 0) ON CONFLICT DO NOTHING`, data.lane)
    refreshLane(data.lane, tx)
  },
  OperationStarted: (event, tx) => {
    const { attempt, worker, deadline } = event.data
    change(
      event,
      tx,
      `state = 'running', since = ?, ready_at = NULL, retry_at = NULL, progress = NULL, started_at = coalesce(started_at, ?),
       attempt = ?, worker = ?, deadline = ?`,
      timeOf(event),
      timeOf(event),
      attempt,
      worker,
      parseInstant(deadline),
    )
  },
  OperationProgressed: (event, tx) => {
    const { step, phase, fraction, detail } = event.data
    if (step !== undefined) return touch(event, tx)
    change(event, tx, `progress = ?`, JSON.stringify({ fraction, phase, detail, at: event.recordedAt }))
  },
  OperationAttemptFailed: (event, tx) => {
    const { attempt, error, retryAt } = event.data
    const at = parseInstant(retryAt)
    change(
      event,
      tx,
      `state = 'retrying', since = ?, ready_at = ?, retry_at = ?, deadline = NULL, attempt = ?, error = ?`,
      timeOf(event),
      at,
      at,
      attempt,
      JSON.stringify(error),
    )
  },
  OperationCancelRequested: (event, tx) => change(event, tx, `state = 'cancelling', since = ?`, timeOf(event)),
  OperationSucceeded: (event, tx) =>
    end(
      event,
      tx,
      `state = 'succeeded', attempt = ?, error = NULL, result = ?`,
      event.data.attempt,
      JSON.stringify(event.data.result),
    ),
  OperationFailed: (event, tx) =>
    end(event, tx, `state = 'failed', attempt = ?, error = ?`, event.data.attempt, JSON.stringify(event.data.error)),
  OperationCancelled: (event, tx) => end(event, tx, `state = 'cancelled'`),
  OperationTimedOut: (event, tx) => {
    const { attempt, timeoutMs } = event.data
    const message = `attempt ${attempt} ran over its time limit of ${timeoutMs} ms`
    const error = JSON.stringify({ type: 'timed-out', message, retryable: false })
    end(event, tx, `state = 'timed-out', attempt = ?, error = ?`, attempt, error)
  },
})

const applyLane = on(laneEvents, {
  LaneAcquired: (event, tx) => {
    const lane = streamKey(event.stream)
    tx.run(
      `INSERT INTO lanes (lane, holder, since, stale) VALUES (?1, ?2, ?3, 0)
       ON CONFLICT DO UPDATE SET holder = excluded.holder, since = excluded.since`,
      lane,
      event.data.operation,
      timeOf(event),
    )
    refreshLane(lane, tx)
  },
  LaneReleased: (event, tx) => {
    const lane = streamKey(event.stream)
    tx.run(`UPDATE lanes SET holder = NULL, since = NULL WHERE lane = ?`, lane)
    refreshLane(lane, tx)
  },
})

/** A revision that the row has already seen changes nothing. */
function change(event: RecordedEvent, tx: Tx, assignments: string, ...values: readonly SqlValue[]): void {
  const changed = tx.get<{ lane: string | null }>(
    `UPDATE operations SET ${assignments}, revision = ?, position = ? WHERE id = ? AND revision < ? RETURNING lane`,
    ...values,
    event.revision,
    event.position,
    streamKey(event.stream),
    event.revision,
  )
  if (changed !== undefined && changed.lane !== null && event.type !== 'OperationProgressed') refreshLane(changed.lane, tx)
}

const touch = (event: RecordedEvent, tx: Tx): void => change(event, tx, `since = since`)

const end = (event: RecordedEvent, tx: Tx, assignments: string, ...values: readonly SqlValue[]): void =>
  change(
    event,
    tx,
    `${assignments}, since = ?, finished_at = ?, ready_at = NULL, retry_at = NULL, deadline = NULL`,
    ...values,
    timeOf(event),
    timeOf(event),
  )

/** A lane that nobody holds is open from the moment its first waiting operation is; a held one when its holder is. */
function refreshLane(lane: string, tx: Tx): void {
  tx.run(
    `UPDATE lanes SET
       earliest = CASE
         WHEN holder IS NOT NULL THEN (SELECT ready_at FROM operations WHERE id = holder)
         WHEN EXISTS (SELECT 1 FROM operations WHERE lane = ?1 AND ready_at = 0) THEN 0
         ELSE (SELECT min(ready_at) FROM operations WHERE lane = ?1 AND ready_at > 0) END,
       stale = holder IS NOT NULL AND EXISTS (SELECT 1 FROM operations WHERE id = holder AND finished_at IS NOT NULL)
     WHERE lane = ?1`,
    lane,
  )
  tx.run(`DELETE FROM lanes WHERE lane = ? AND holder IS NULL AND earliest IS NULL`, lane)
}
