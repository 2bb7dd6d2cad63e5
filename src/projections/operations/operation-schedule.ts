import type { OperationState } from '../../events/operation.ts'
import type { Views } from '../projection.ts'

/** What starting an operation takes. Instants are milliseconds since the epoch. */
export interface DueOperation {
  readonly id: string
  readonly kind: string
  readonly lane: string | null
  readonly priority: number
  /** The keys of its limits, as JSON; null where it has none. */
  readonly limits: string | null
  /** The admission by which its limits let it start; null where it has none. */
  readonly admission: number | null
  /** Where it waits for its limits without a lane. */
  readonly gate: string | null
  readonly state: OperationState
  readonly attempt: number
  /** Since when it might have been started. */
  readonly since: number
  readonly seq: number
}

/** An attempt that runs, as far as the log knows. */
export interface ActiveOperation {
  readonly id: string
  readonly kind: string
  readonly lane: string | null
  readonly state: 'running' | 'cancelling'
  readonly attempt: number
  readonly worker: string
  readonly started_at: number
  readonly deadline: number
  readonly seq: number
}

export interface HeldLane {
  readonly lane: string
  readonly operation: string
}

export const due = `id, kind, lane, priority, limits, admission, gate, state, attempt, max(requested_at, ready_at) AS since, seq`
const active = `id, kind, lane, state, attempt, worker, started_at, deadline, seq`
const mostDue = 1000

/** Queries of the engine: operations that may start, running ones, and the holders of lanes. */
export const operationSchedule = (views: Views) => {
  /** The next operation of a free lane: lowest priority, then earliest request. */
  const nextInLane = (lane: string, now: number): DueOperation | undefined => {
    const atOnce = views.get<DueOperation>(
      `SELECT ${due} FROM operations WHERE lane = ? AND ready_at = 0 AND gate IS NULL ORDER BY priority, seq LIMIT 1`,
      lane,
    )
    const later = views.get<DueOperation>(
      `SELECT ${due} FROM operations WHERE lane = ? AND ready_at > 0 AND ready_at <= ? AND gate IS NULL ORDER BY priority, seq LIMIT 1`,
      lane,
      now,
    )
    if (atOnce === undefined || later === undefined) return atOnce ?? later
    return byTurn(atOnce, later) <= 0 ? atOnce : later
  }

  const laneHolder = (lane: string): string | undefined =>
    views.get<{ holder: string | null }>(`SELECT holder FROM lanes WHERE lane = ?`, lane)?.holder ?? undefined

  const candidate = (lane: string, now: number): DueOperation | undefined => {
    const holder = laneHolder(lane)
    if (holder === undefined) return nextInLane(lane, now)
    return views.get<DueOperation>(`SELECT ${due} FROM operations WHERE id = ? AND ready_at <= ?`, holder, now)
  }

  /** One operation of every lane that is open, page by page. */
  const dueInLanes = (now: number, limit: number, after = { earliest: -1, lane: '' }) => {
    const lanes = views.all<{ lane: string; earliest: number }>(
      `SELECT lane, earliest FROM lanes WHERE earliest IS NOT NULL AND earliest <= ? AND (earliest, lane) > (?, ?)
       ORDER BY earliest, lane LIMIT ?`,
      now,
      after.earliest,
      after.lane,
      limit,
    )
    return {
      items: lanes.flatMap(({ lane }) => candidate(lane, now) ?? []),
      last: lanes.length < limit ? undefined : lanes.at(-1),
    }
  }

  const dueAtOnce = (limit: number, after = { priority: -1, seq: 0 }) => {
    const items = views.all<DueOperation>(
      `SELECT ${due} FROM operations WHERE lane IS NULL AND ready_at = 0 AND gate IS NULL AND (priority, seq) > (?, ?) ORDER BY priority, seq LIMIT ?`,
      after.priority,
      after.seq,
      limit,
    )
    return { items, last: items.length < limit ? undefined : items.at(-1) }
  }

  const dueLater = (now: number, limit: number, after = { since: 0, seq: 0 }) => {
    const items = views.all<DueOperation & { ready_at: number }>(
      `SELECT ${due}, ready_at FROM operations WHERE lane IS NULL AND ready_at > 0 AND ready_at <= ? AND gate IS NULL AND (ready_at, seq) > (?, ?)
       ORDER BY ready_at, seq LIMIT ?`,
      now,
      after.since,
      after.seq,
      limit,
    )
    const last = items.at(-1)
    return { items, last: items.length < limit || last === undefined ? undefined : { since: last.ready_at, seq: last.seq } }
  }

  return {
    nextInLane,
    /** The operation that holds a lane; undefined where it is free. */
    laneHolder,

    /** Operations that may be started now but for what waits at a gate, at most `limit`: lowest priority first, then those that have waited longest. */
    due: (now: number, limit: number): readonly DueOperation[] =>
      [...dueInLanes(now, limit).items, ...dueLater(now, limit).items, ...dueAtOnce(limit).items].sort(byWait).slice(0, limit),

    /** Everything that may be started now but for what waits at a gate, in pages; the caller may let other work in between two of them. */
    *allDue(now: number, pageSize = mostDue): Generator<readonly DueOperation[]> {
      for (const page of [
        (after?: never) => dueInLanes(now, pageSize, after),
        (after?: never) => dueLater(now, pageSize, after),
        (after?: never) => dueAtOnce(pageSize, after),
      ]) {
        let { items, last } = page()
        yield items
        while (last !== undefined) {
          ;({ items, last } = page(last as never))
          yield items
        }
      }
    },

    /** When the next operation becomes due that is not yet at `now`; undefined where none is waiting for a time. */
    nextDueAt: (now: number): number | undefined =>
      views.get<{ at: number | null }>(
        `SELECT min(at) AS at FROM (
           SELECT min(ready_at) AS at FROM operations WHERE lane IS NULL AND ready_at > 0 AND ready_at > ?1 AND gate IS NULL
           UNION ALL SELECT min(ready_at) FROM operations WHERE ready_at > 0 AND ready_at > ?1 AND gate IS NOT NULL
           UNION ALL SELECT min(earliest) FROM lanes WHERE earliest IS NOT NULL AND earliest > ?1)`,
        now,
      )?.at ?? undefined,

    /** What waits for another attempt after a failure that was recorded no later than `upTo`, and is due at `until` but not at `now`. */
    retriesBetween: (now: number, until: number, upTo: string, limit = mostDue): readonly DueOperation[] =>
      views.all<DueOperation>(
        `SELECT ${due} FROM operations WHERE ready_at > ? AND ready_at <= ? AND state = 'retrying' AND position <= ?
         ORDER BY priority, seq LIMIT ?`,
        now,
        until,
        upTo,
        limit,
      ),

    /** Of what waits for another attempt after a failure that was recorded no later than `upTo`: when the first one is due after `at`. */
    nextRetryAfter: (at: number, upTo: string): number | undefined =>
      views.get<{ at: number | null }>(
        `SELECT min(ready_at) AS at FROM operations WHERE ready_at > ? AND state = 'retrying' AND position <= ?`,
        at,
        upTo,
      )?.at ?? undefined,

    /** Of what waits for another attempt: when the latest failure was, and the last event of all; undefined where nothing does. */
    latestFailure: (): { readonly at: number; readonly position: string } | undefined => {
      const found = views.get<{ at: number | null; position: string }>(
        `SELECT max(since) AS at, max(position) AS position FROM operations WHERE ready_at > 0 AND state = 'retrying'`,
      )
      return found?.at == null ? undefined : { at: found.at, position: found.position }
    },

    /** Attempts that run, those with the nearest deadline first; `after` is the last one of the page before. */
    running: ({ limit = mostDue, after }: { readonly limit?: number; readonly after?: ActiveOperation } = {}) =>
      views.all<ActiveOperation>(
        `SELECT ${active} FROM operations WHERE deadline IS NOT NULL AND (deadline, seq) > (?, ?) ORDER BY deadline, seq LIMIT ?`,
        after?.deadline ?? -1,
        after?.seq ?? 0,
        limit,
      ),

    /** Attempts that have run over their time limit. */
    overdue: (now: number, limit = mostDue) =>
      views.all<ActiveOperation>(
        `SELECT ${active} FROM operations WHERE deadline IS NOT NULL AND deadline <= ? ORDER BY deadline, seq LIMIT ?`,
        now,
        limit,
      ),

    /** When the next running attempt is over its time limit; undefined where none runs. */
    nextDeadline: (): number | undefined =>
      views.get<{ at: number | null }>(`SELECT min(deadline) AS at FROM operations WHERE deadline IS NOT NULL`)?.at ?? undefined,

    /** Attempts whose worker is none of `live`. */
    orphans: (live: readonly string[], limit = mostDue) =>
      views.all<ActiveOperation>(
        `WITH RECURSIVE workers (name) AS (
           SELECT min(worker) FROM operations WHERE deadline IS NOT NULL
           UNION ALL
           SELECT (SELECT min(worker) FROM operations WHERE deadline IS NOT NULL AND worker > name) FROM workers WHERE name IS NOT NULL)
         SELECT ${active} FROM operations WHERE deadline IS NOT NULL AND worker IN (
           SELECT name FROM workers WHERE name IS NOT NULL AND name NOT IN (SELECT value FROM json_each(?)))
         LIMIT ?`,
        JSON.stringify(live),
        limit,
      ),

    /** Operations of a schedule that have not ended, the earliest first. `face` is the one that keeps the schedule; null for the native API. */
    activeOfSchedule: (face: string | null, schedule: string, limit: number): readonly string[] =>
      views
        .all<{ id: string }>(
          `SELECT id FROM operations WHERE schedule = ? AND face IS ? AND finished_at IS NULL AND schedule IS NOT NULL ORDER BY seq LIMIT ?`,
          schedule,
          face,
          limit,
        )
        .map(({ id }) => id),

    /** How many attempts run. */
    countRunning: (): number =>
      views.get<{ count: number }>(`SELECT count(*) AS count FROM operations WHERE deadline IS NOT NULL`)?.count ?? 0,

    /** Lanes whose holder has ended without releasing them. */
    lanesHeldByFinished: (limit = mostDue) =>
      views.all<HeldLane>(`SELECT lane, holder AS operation FROM lanes WHERE stale = 1 ORDER BY lane LIMIT ?`, limit),
  }
}

const byTurn = (a: DueOperation, b: DueOperation): number => a.priority - b.priority || a.seq - b.seq
const byWait = (a: DueOperation, b: DueOperation): number => a.priority - b.priority || a.since - b.since || a.seq - b.seq
