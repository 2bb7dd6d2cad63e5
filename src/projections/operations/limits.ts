import type { Rate } from '../../events/limit.ts'
import type { Views } from '../projection.ts'
import { phases } from './limit-tables.ts'
import { type DueOperation, due } from './operation-schedule.ts'

/** A limit; null where it has no such member. Source: native contract, section 13. */
export interface Limit {
  readonly key: string
  readonly concurrency: number | null
  readonly rate: Rate | null
  readonly revision: number
  readonly position: string
}

/** A limit and who uses it. */
export interface LimitResource extends Limit {
  /** Operations that run and name it. */
  readonly running: number
  /** Operations that name it and might run otherwise. */
  readonly waiting: number
  /** Attempts that started within the last `perMs`; null without a rate. */
  readonly windowUsed: number | null
}

/** What is left of a limit. `until` is when the next attempt may start at the earliest, where only time has to pass. */
export interface Room {
  readonly left: number
  readonly until: number | null
}

interface LimitRow {
  readonly key: string
  readonly concurrency: number | null
  readonly count: number | null
  readonly per_ms: number | null
  readonly revision: number
  readonly position: string
}

const everybody: Room = { left: Number.POSITIVE_INFINITY, until: null }
/** Queries of limits, and of the operations that they hold. Instants are milliseconds since the epoch. */
export const limitQueries = (views: Views) => {
  const shown = ({ key, concurrency, count, per_ms, revision, position }: LimitRow): Limit => ({
    key,
    concurrency,
    rate: count === null || per_ms === null ? null : { count, perMs: per_ms },
    revision,
    position,
  })

  const limit = (key: string): Limit | undefined => {
    const row = views.get<LimitRow>(`SELECT * FROM limits WHERE key = ?`, key)
    return row && shown(row)
  }

  const inPhase = (key: string, phase: number): number =>
    views.get<{ count: number }>(`SELECT count(*) AS count FROM limit_members WHERE key = ? AND phase = ?`, key, phase)?.count ??
    0

  const startedAfter = (key: string, at: number): number =>
    views.get<{ count: number }>(`SELECT count(*) AS count FROM limit_starts WHERE key = ? AND at > ?`, key, at)?.count ?? 0

  /** The time of the start that has `newer` later ones. */
  const startBefore = (key: string, newer: number): number | undefined =>
    views.get<{ at: number }>(`SELECT at FROM limit_starts WHERE key = ? ORDER BY n DESC LIMIT 1 OFFSET ?`, key, newer)?.at

  const rateRoom = (key: string, { count, perMs }: Rate, admitted: number, now: number): Room => {
    const left = count - admitted - startedAfter(key, now - perMs)
    if (left > 0) return { left, until: null }
    // Those that were admitted start when a worker has room, and their windows begin only then.
    const oldest = admitted < count ? startBefore(key, count - admitted - 1) : undefined
    return { left, until: oldest === undefined ? null : oldest + perMs }
  }

  /** What a limit seems to let start at a time; a key without one lets everything. The gate, which decides, times starts more exactly. */
  const room = (key: string, now: number): Room => {
    const found = limit(key)
    if (found === undefined) return everybody
    const { concurrency, rate } = found
    const admitted = inPhase(key, phases.admitted)
    const left = concurrency === null ? everybody.left : concurrency - admitted - inPhase(key, phases.running)
    if (rate === null || left <= 0) return { left, until: null }
    const byRate = rateRoom(key, rate, admitted, now)
    return byRate.left < left ? byRate : { left, until: null }
  }

  const resource = (row: LimitRow, now: number): LimitResource => {
    const { rate, ...rest } = shown(row)
    const waiting = views.get<{ count: number }>(
      `SELECT count(*) AS count FROM limit_members WHERE key = ? AND phase = ? AND ready_at <= ?`,
      row.key,
      phases.waiting,
      now,
    )
    return {
      ...rest,
      rate,
      running: inPhase(row.key, phases.running),
      waiting: waiting?.count ?? 0,
      windowUsed: rate === null ? null : startedAfter(row.key, now - rate.perMs),
    }
  }

  return {
    room,

    byKey: (key: string, now: number): LimitResource | undefined => {
      const row = views.get<LimitRow>(`SELECT * FROM limits WHERE key = ?`, key)
      return row && resource(row, now)
    },

    /** In order of the keys. */
    list: (after: string, count: number, now: number): readonly LimitResource[] =>
      views
        .all<LimitRow>(`SELECT * FROM limits WHERE key > ? ORDER BY key LIMIT ?`, after, count)
        .map((row) => resource(row, now)),

    limit,
    /** Operations of a key that run. */
    running: (key: string): number => inPhase(key, phases.running),
    /** Operations of a key whose next attempt may start, and has not. */
    admitted: (key: string): number => inPhase(key, phases.admitted),
    /** Operations of a key that wait, for whatever it is. */
    waiting: (key: string): number => inPhase(key, phases.waiting),

    lastStart: (key: string): number =>
      views.get<{ n: number | null }>(`SELECT max(n) AS n FROM limit_starts WHERE key = ?`, key)?.n ?? 0,
    latestStarts: (key: string, count: number): readonly number[] =>
      views
        .all<{ at: number }>(`SELECT at FROM limit_starts WHERE key = ? ORDER BY n DESC LIMIT ?`, key, count)
        .map(({ at }) => at),
    hasRates: (): boolean => views.get(`SELECT 1 FROM limits WHERE count IS NOT NULL LIMIT 1`) !== undefined,

    /** The number of the last admission; -1 where there was none. */
    lastAdmission: (): number => views.get<{ revision: number }>(`SELECT revision FROM admissions`)?.revision ?? -1,

    /** The first operations at a gate that are due: lowest priority, then earliest request. */
    nextAtGate: (gate: string, now: number, count: number): readonly DueOperation[] => {
      const atOnce = views.all<DueOperation>(
        `SELECT ${due} FROM operations WHERE gate = ? AND ready_at = 0 ORDER BY priority, seq LIMIT ?`,
        gate,
        count,
      )
      const later = views.all<DueOperation>(
        `SELECT ${due} FROM operations WHERE gate = ? AND ready_at > 0 AND ready_at <= ? ORDER BY priority, seq LIMIT ?`,
        gate,
        now,
        count,
      )
      if (later.length === 0) return atOnce
      return [...atOnce, ...later].sort((a, b) => a.priority - b.priority || a.seq - b.seq).slice(0, count)
    },

    /** Every gate at which operations wait. */
    gates: (): readonly string[] =>
      ['ready_at = 0', 'ready_at > 0'].flatMap((when) =>
        views
          .all<{ gate: string | null }>(
            `WITH RECURSIVE found (gate) AS (
               SELECT min(gate) FROM operations WHERE gate IS NOT NULL AND ${when}
               UNION ALL
               SELECT (SELECT min(operations.gate) FROM operations WHERE operations.gate > found.gate AND ${when})
               FROM found WHERE found.gate IS NOT NULL)
             SELECT gate FROM found`,
          )
          .flatMap(({ gate }) => gate ?? []),
      ),

    /** Gates at which operations have become due after `since`, up to `now`. */
    gatesDue: (since: number, now: number): readonly string[] =>
      views
        .all<{ gate: string }>(
          `SELECT DISTINCT gate FROM operations WHERE gate IS NOT NULL AND ready_at > 0 AND ready_at > ? AND ready_at <= ?`,
          since,
          now,
        )
        .map(({ gate }) => gate),

    /** Operations whose next attempt may start, and has not; those that are to start last come first. */
    admittedOperations: (count: number): readonly DueOperation[] =>
      views.all<DueOperation>(
        `SELECT ${due} FROM operations WHERE admission IS NOT NULL ORDER BY priority DESC, seq DESC LIMIT ?`,
        count,
      ),
  }
}

/** The keys of an operation's limits. */
export const keysOf = ({ limits }: { readonly limits?: string | null | undefined }): readonly string[] =>
  limits == null ? [] : (JSON.parse(limits) as string[])
