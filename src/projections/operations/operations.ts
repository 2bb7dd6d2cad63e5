import { admissionStream } from '../../events/admission.ts'
import { limitPrefix } from '../../events/limit.ts'
import type { Clock } from '../../lib/clock.ts'
import { foundOnce } from '../../lib/found-once.ts'
import type { Keyset, ListOf } from '../keyset-list.ts'
import type { Projection, Views } from '../projection.ts'
import { limitSchema } from './limit-tables.ts'
import { keysOf, limitQueries } from './limits.ts'
import { countOperations, countsSchema, findIds, type OperationCounts } from './operation-counts.ts'
import { listPlaces, type OperationFilter, type OperationListOptions, type OperationPlace } from './operation-list.ts'
import { type OperationResource, operationResource } from './operation-resource.ts'
import type { OperationRow } from './operation-row.ts'
import { operationSchedule } from './operation-schedule.ts'
import { countsOfStates, operationRows, operationTables } from './operation-tables.ts'
import { listTargets, type TargetResource, type TargetState, targetSchema } from './targets.ts'
import { type Holds, limitWait, type Surroundings, waitingFor } from './waiting-for.ts'

/**
 * Every operation and who holds which lane. Instants are milliseconds since the epoch.
 *
 * `ready_at` is when a waiting operation may be started (0: at once) and null for every other one, so that the indices
 * for starting hold what waits and nothing else. `lanes.earliest` says the same of the operation that may start next in a
 * lane, and a lane that nobody holds or waits for has no row. What its limits hold waits at a `gate` meanwhile, in indices of its own:
 * a hundred thousand held operations cost the others nothing.
 *
 * `listed_at` is `requested_at`, or that of an earlier request where the clock was set back since: it never falls from one request to the
 * next, so that the indices order lists as the log does.
 */
export const operations: Projection = {
  name: 'operations',
  version: 5,
  filter: { streamPrefixes: ['operation-', 'lane-', limitPrefix, admissionStream] },
  schema: [
    `CREATE TABLE operations (
      seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, face TEXT, lane TEXT, priority INTEGER NOT NULL,
      state TEXT NOT NULL, since INTEGER NOT NULL, ready_at INTEGER, attempt INTEGER NOT NULL, max_attempts INTEGER NOT NULL,
      requested_at INTEGER NOT NULL, listed_at INTEGER NOT NULL, run_at INTEGER, retry_at INTEGER, started_at INTEGER, finished_at INTEGER, deadline INTEGER,
      principal TEXT NOT NULL, requested_by TEXT NOT NULL, worker TEXT, correlation_id TEXT NOT NULL, parent TEXT, retry_of TEXT,
      external_ref TEXT, labels TEXT, limits TEXT, admission INTEGER, gate TEXT, schedule TEXT, slot TEXT, targets TEXT, revision INTEGER NOT NULL, position TEXT NOT NULL, progress TEXT, error TEXT, result TEXT
    ) STRICT`,
    // Apart from the row, because it is large, never changes, and a row is rewritten as a whole.
    `CREATE TABLE inputs (seq INTEGER PRIMARY KEY, input TEXT NOT NULL) STRICT`,
    `CREATE TABLE labels (
      label TEXT NOT NULL, value TEXT NOT NULL, listed_at INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (label, value, listed_at, seq)
    ) STRICT, WITHOUT ROWID`,
    ...targetSchema,
    ...countsSchema,
    `CREATE TABLE lanes (lane TEXT PRIMARY KEY, holder TEXT, since INTEGER, earliest INTEGER, stale INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
    `CREATE INDEX by_time ON operations (listed_at)`,
    `CREATE INDEX set_back ON operations (listed_at) WHERE requested_at < listed_at`,
    `CREATE INDEX by_state ON operations (state, listed_at)`,
    `CREATE INDEX by_kind ON operations (kind, state, listed_at)`,
    `CREATE INDEX by_face ON operations (face, state, listed_at) WHERE face IS NOT NULL`,
    `CREATE INDEX by_principal ON operations (principal, state, listed_at)`,
    `CREATE INDEX by_lane ON operations (lane, listed_at) WHERE lane IS NOT NULL`,
    `CREATE INDEX by_schedule ON operations (schedule, listed_at) WHERE schedule IS NOT NULL`,
    `CREATE INDEX active_by_schedule ON operations (schedule) WHERE schedule IS NOT NULL AND finished_at IS NULL`,
    `CREATE INDEX by_external_ref ON operations (external_ref) WHERE external_ref IS NOT NULL`,
    `CREATE INDEX ready_now ON operations (lane, priority) WHERE ready_at = 0 AND gate IS NULL`,
    `CREATE INDEX ready_later ON operations (lane, ready_at) WHERE ready_at > 0 AND gate IS NULL`,
    `CREATE INDEX gated_now ON operations (gate, priority) WHERE ready_at = 0 AND gate IS NOT NULL`,
    `CREATE INDEX gated_later ON operations (gate, ready_at) WHERE ready_at > 0 AND gate IS NOT NULL`,
    `CREATE INDEX gated_until ON operations (ready_at) WHERE ready_at > 0 AND gate IS NOT NULL`,
    `CREATE INDEX admitted ON operations (priority) WHERE admission IS NOT NULL`,
    `CREATE INDEX active ON operations (deadline) WHERE deadline IS NOT NULL`,
    `CREATE INDEX active_by_worker ON operations (worker) WHERE deadline IS NOT NULL`,
    `CREATE INDEX lanes_open ON lanes (earliest) WHERE earliest IS NOT NULL`,
    `CREATE INDEX lanes_stale ON lanes (lane) WHERE stale = 1`,
    ...limitSchema,
  ],
  apply: (event, tx) => {
    const tables = operationTables(tx)
    tables.apply(event)
    tables.write()
  },
  fold: operationTables,
}

/** The part of the leases that the queries ask: who lives at `now`, by the monotonic clock, and what they take. */
export interface LiveWorkers {
  live(now: number): readonly { readonly worker: string; readonly kinds: readonly string[] }[]
}

export interface OperationPage {
  readonly items: readonly OperationResource[]
  /** Pass as `after` for the next page; null on the last one. */
  readonly next: OperationPlace | null
}

export type OperationQueries = ReturnType<typeof operationQueries>

/** Everything that is asked of the view `operations`. What a row cannot know (leases, the clock) is looked up while asking. */
export const operationQueries = ({
  views,
  leases,
  clock,
  holds = {},
  absent = () => undefined,
}: {
  readonly views: Views
  /** Undefined of a moment of the past: who lived then is not in the log. */
  readonly leases: LiveWorkers | undefined
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  /** What the schedulers of kinds say, by kind. */
  readonly holds?: Holds
  /** Why this process does not take a kind. */
  readonly absent?: Surroundings['absent']
}) => {
  const schedule = operationSchedule(views)
  const limits = limitQueries(views)
  const find = (id: string) => views.find<OperationRow>(id)

  /** Answers of one request share what they look up. */
  const surroundings = (): Surroundings => {
    const now = clock.now()
    const inLane = foundOnce((lane: string) => {
      const holder = schedule.laneHolder(lane)
      return { holder, next: holder === undefined ? schedule.nextInLane(lane, now)?.id : undefined }
    })
    const atLimit = foundOnce((key: string) => limitWait(limits, key, now))
    return {
      now,
      taken: foundOnce((kind: string) => leases?.live(clock.monotonic()).some(({ kinds }) => kinds.includes(kind))),
      absent,
      ahead: ({ id, lane }) => {
        if (lane === null) return undefined
        const { holder, next } = inLane(lane)
        if (holder !== undefined) return holder === id ? undefined : { operation: holder, holds: true }
        return next === undefined || next === id ? undefined : { operation: next, holds: false }
      },
      limited: ({ limits: keys, admission }) =>
        keys === null || admission !== null
          ? undefined
          : keysOf({ limits: keys })
              .map(atLimit)
              .find((wait) => wait !== undefined),
      held: ({ id, kind }) => (Object.hasOwn(holds, kind) ? holds[kind]?.(id) : undefined),
    }
  }

  const shown = (row: OperationRow, around = surroundings()): OperationResource => operationResource(row, waitingFor(row, around))

  return {
    ...schedule,
    limits,

    byId: (id: string): OperationResource | undefined => {
      const row = find(id)
      return row && shown(row)
    },

    /** The row behind a resource: with deadline, retryAt, runAt and the input still sealed. */
    row: find,

    list: (options: OperationListOptions): OperationPage => {
      const places = listPlaces(views, options)
      const around = surroundings()
      const page = places.slice(0, options.limit)
      const items = page.flatMap(([, seq]) => {
        const row = views.get<OperationRow>(`${operationRows} WHERE o.seq = ?`, seq)
        return row === undefined ? [] : [shown(row, around)]
      })
      return { items, next: places.length > options.limit ? (page.at(-1) ?? null) : null }
    },

    /** The targets of an operation, in order; undefined for an unknown one. */
    targets: (
      id: string,
      options: Keyset & { readonly state?: readonly TargetState[] | undefined },
    ): ListOf<TargetResource> | undefined => {
      const row = find(id)
      return row && listTargets(views, row, options)
    },

    /** The newest operation that a face knows by a name of its own. */
    byExternalRef: (
      ref: string,
      { face, kind }: { readonly face?: string; readonly kind?: string } = {},
    ): OperationResource | undefined => {
      const row = views.get<OperationRow>(
        `${operationRows} WHERE o.external_ref = ?1 AND (?2 IS NULL OR o.face = ?2) AND (?3 IS NULL OR o.kind = ?3) ORDER BY o.seq DESC LIMIT 1`,
        ref,
        face ?? null,
        kind ?? null,
      )
      return row && shown(row)
    },

    /** How many a filter finds, by state, kind and face. */
    counts: (filter: OperationFilter): Promise<OperationCounts> => countOperations(views, filter),

    /** Ids of what a filter finds, the earliest first; at most `most`. */
    ids: (filter: OperationFilter, most: number): Promise<readonly string[]> => findIds(views, filter, most),

    /** How many operations are in each state that some are in. */
    countByState: (): Readonly<Record<string, number>> =>
      Object.fromEntries([...(views.find<ReadonlyMap<string, number>>(countsOfStates) ?? [])].filter(([, count]) => count > 0)),
  }
}
