import type { SealedValue } from '../../events/sealed.ts'
import { type WebhookFilter, webhookEvents, webhookProgressEvents } from '../../events/webhook.ts'
import type { Position } from '../../stores/event-log.ts'
import { type Keyset, type ListOf, listOf } from '../keyset-list.ts'
import { on, type Projection, type Tx, type Views } from '../projection.ts'

/** Webhooks, how far their deliveries have come, and what is parked. Source: native contract, section 12. */
export const webhooks: Projection = {
  name: 'webhooks',
  version: 1,
  filter: { streamPrefixes: [`${webhookEvents.category}-`, `${webhookProgressEvents.category}-`] },
  schema: [
    `CREATE TABLE webhooks (
      name TEXT PRIMARY KEY, stream TEXT NOT NULL UNIQUE, run TEXT NOT NULL UNIQUE, url TEXT NOT NULL, filter TEXT NOT NULL,
      secret TEXT NOT NULL, paused_because TEXT, position TEXT NOT NULL, progress_revision INTEGER NOT NULL,
      revision INTEGER NOT NULL, created_at TEXT NOT NULL
    ) STRICT`,
    // Streams of which something up to the position is not delivered yet: from that revision on.
    `CREATE TABLE behind (
      run TEXT NOT NULL, stream TEXT NOT NULL, revision INTEGER NOT NULL, position TEXT NOT NULL, PRIMARY KEY (run, stream)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE failing (
      run TEXT NOT NULL, id TEXT NOT NULL, stream TEXT NOT NULL, revision INTEGER NOT NULL, attempts INTEGER NOT NULL,
      error TEXT NOT NULL, retry_at TEXT NOT NULL, redriven INTEGER NOT NULL, PRIMARY KEY (run, id)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE parked (
      name TEXT NOT NULL, position TEXT NOT NULL, id TEXT NOT NULL, stream TEXT NOT NULL, revision INTEGER NOT NULL,
      attempts INTEGER NOT NULL, error TEXT NOT NULL, parked_at TEXT NOT NULL, redriving INTEGER NOT NULL, PRIMARY KEY (name, position)
    ) STRICT, WITHOUT ROWID`,
  ],
  apply: (event, tx) => {
    if (event.stream.startsWith(`${webhookProgressEvents.category}-`)) applyProgress(event, tx)
    else {
      applyWebhook(event, tx)
      tx.run(`UPDATE webhooks SET revision = ? WHERE stream = ?`, event.revision, event.stream)
    }
  },
}

const applyWebhook = on(webhookEvents, {
  WebhookCreated: ({ data, stream, revision, recordedAt, metadata }, tx) =>
    tx.run(
      `INSERT INTO webhooks VALUES (?, ?, ?, ?, ?, ?, ?, ?, -1, ?, ?)`,
      data.name,
      stream,
      data.run,
      data.url,
      JSON.stringify(data.filter),
      JSON.stringify(data.secret),
      data.active ? null : pausedBy(metadata.actor),
      data.from,
      revision,
      recordedAt,
    ),
  WebhookChanged: ({ data, stream, metadata, recordedAt }, tx) => {
    const known = tx.get<{ name: string; run: string }>(`SELECT name, run FROM webhooks WHERE stream = ?`, stream)
    if (known === undefined) return
    tx.run(
      `UPDATE webhooks SET url = ?, filter = ?, secret = ifnull(?, secret),
       paused_because = CASE WHEN ? THEN NULL ELSE ifnull(paused_because, ?) END WHERE stream = ?`,
      data.url,
      JSON.stringify(data.filter),
      data.secret === undefined ? null : JSON.stringify(data.secret),
      data.active ? 1 : 0,
      pausedBy(metadata.actor),
      stream,
    )
    retryNow(stream, recordedAt, tx)
    if (data.run === undefined || data.from === undefined) return
    forgetRun(known.run, tx)
    tx.run(`UPDATE webhooks SET run = ?, position = ?, progress_revision = -1 WHERE stream = ?`, data.run, data.from, stream)
    tx.run(`DELETE FROM parked WHERE name = ? AND position > ?`, known.name, data.from)
  },
  WebhookPaused: ({ data, stream }, tx) =>
    tx.run(`UPDATE webhooks SET paused_because = ? WHERE stream = ?`, data.because, stream),
  WebhookResumed: ({ stream, recordedAt }, tx) => {
    tx.run(`UPDATE webhooks SET paused_because = NULL WHERE stream = ?`, stream)
    retryNow(stream, recordedAt, tx)
  },
  WebhookDeleted: ({ stream }, tx) => {
    const known = tx.get<{ name: string; run: string }>(`SELECT name, run FROM webhooks WHERE stream = ?`, stream)
    if (known === undefined) return
    forgetRun(known.run, tx)
    tx.run(`DELETE FROM parked WHERE name = ?`, known.name)
    tx.run(`DELETE FROM webhooks WHERE stream = ?`, stream)
  },
  WebhookEventParked: ({ data, stream, recordedAt }, tx) => {
    tx.run(
      `INSERT INTO parked SELECT name, ?, ?, ?, ?, ?, ?, ?, 0 FROM webhooks WHERE stream = ?
       ON CONFLICT DO UPDATE SET attempts = excluded.attempts, error = excluded.error, parked_at = excluded.parked_at, redriving = 0`,
      data.position,
      data.id,
      data.stream,
      data.revision,
      data.attempts,
      data.error,
      recordedAt,
      stream,
    )
    tx.run(`DELETE FROM failing WHERE run = ? AND id = ?`, data.run, data.id)
  },
  WebhookRedriveRequested: ({ data, stream }, tx) =>
    tx.run(
      `UPDATE parked SET redriving = 1 WHERE name = (SELECT name FROM webhooks WHERE stream = ?) AND id = ?`,
      stream,
      data.id,
    ),
  WebhookEventRedriven: ({ data, stream }, tx) => settled(stream, data.id, tx),
  WebhookEventDiscarded: ({ data, stream }, tx) => settled(stream, data.id, tx),
})

/** What failed may well succeed now: it does not wait any longer. */
const retryNow = (stream: string, at: string, tx: Tx): void =>
  tx.run(`UPDATE failing SET retry_at = ? WHERE run = (SELECT run FROM webhooks WHERE stream = ?)`, at, stream)

const pausedBy = ({ principal }: { readonly principal: string }): string => `paused by ${principal}`

const forgetRun = (run: string, tx: Tx): void => {
  tx.run(`DELETE FROM behind WHERE run = ?`, run)
  tx.run(`DELETE FROM failing WHERE run = ?`, run)
}

const settled = (stream: string, id: string, tx: Tx): void => {
  tx.run(`DELETE FROM parked WHERE name = (SELECT name FROM webhooks WHERE stream = ?) AND id = ?`, stream, id)
  tx.run(`DELETE FROM failing WHERE run = (SELECT run FROM webhooks WHERE stream = ?) AND id = ? AND redriven = 1`, stream, id)
}

const runOf = (stream: string): string => stream.slice(webhookProgressEvents.category.length + 1)

/** False for progress of a stretch that is over: the webhook began anew, or is gone. */
const stands = (run: string, revision: number, tx: Tx): boolean => {
  tx.run(`UPDATE webhooks SET progress_revision = ? WHERE run = ?`, revision, run)
  return tx.get(`SELECT 1 FROM webhooks WHERE run = ?`, run) !== undefined
}

const putBehind = (run: string, place: { stream: string; revision: number; position: string }, tx: Tx): void =>
  tx.run(`INSERT OR REPLACE INTO behind VALUES (?, ?, ?, ?)`, run, place.stream, place.revision, place.position)

const applyProgress = on(webhookProgressEvents, {
  WebhookAdvanced: ({ data, stream, revision }, tx) => {
    const run = runOf(stream)
    if (!stands(run, revision, tx)) return
    tx.run(`UPDATE webhooks SET position = ? WHERE run = ?`, data.position, run)
    for (const place of data.behind) {
      putBehind(run, place, tx)
      tx.run(
        `DELETE FROM failing WHERE run = ? AND stream = ? AND revision < ? AND redriven = 0`,
        run,
        place.stream,
        place.revision,
      )
    }
    for (const one of data.caughtUp) {
      tx.run(`DELETE FROM behind WHERE run = ? AND stream = ?`, run, one)
      tx.run(`DELETE FROM failing WHERE run = ? AND stream = ? AND redriven = 0`, run, one)
    }
  },
  WebhookDeliveryFailed: ({ data, stream, revision }, tx) => {
    const run = runOf(stream)
    if (!stands(run, revision, tx)) return
    const { id, attempts, error, retryAt, redriven } = data
    if (!redriven) putBehind(run, data, tx)
    tx.run(
      `INSERT OR REPLACE INTO failing VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      run,
      id,
      data.stream,
      data.revision,
      attempts,
      error,
      retryAt,
      redriven ? 1 : 0,
    )
  },
})

export interface WebhookRow {
  readonly name: string
  readonly stream: string
  readonly run: string
  readonly url: string
  readonly filter: WebhookFilter
  readonly secret: SealedValue
  readonly pausedBecause: string | null
  /** Everything up to here is settled, except in streams that are behind. */
  readonly position: Position
  /** Last revision of the stream of its progress; -1 where there is none. */
  readonly progressRevision: number
  readonly revision: number
  readonly createdAt: string
  /** Most failures in a row of an event that is tried again now, and the last reason. */
  readonly failures: number
  readonly lastError: string | null
  readonly parked: number
}

/** A stream that is behind, from which revision on, or a parked event that is tried again. */
export interface OpenDelivery {
  readonly stream: string
  readonly revision: number
  readonly position: Position
  /** The parked event; null for a stream. */
  readonly redriven: string | null
  /** Of the first event: how often it has failed, and when it is tried again; null where it has not. */
  readonly failed: { readonly id: string; readonly attempts: number; readonly retryAt: string } | null
}

export interface ParkedEvent {
  readonly id: string
  readonly position: Position
  readonly stream: string
  readonly attempts: number
  readonly error: string
  readonly parkedAt: string
}

interface Stored {
  readonly name: string
  readonly stream: string
  readonly run: string
  readonly url: string
  readonly filter: string
  readonly secret: string
  readonly paused_because: string | null
  readonly position: string
  readonly progress_revision: number
  readonly revision: number
  readonly created_at: string
  readonly failures: number | null
  readonly last_error: string | null
  readonly parked: number
}

const select = `SELECT *,
  (SELECT attempts FROM failing WHERE run = webhooks.run ORDER BY attempts DESC, id LIMIT 1) AS failures,
  (SELECT error FROM failing WHERE run = webhooks.run ORDER BY attempts DESC, id LIMIT 1) AS last_error,
  (SELECT count(*) FROM parked WHERE name = webhooks.name AND redriving = 0) AS parked
  FROM webhooks`

const rowOf = (row: Stored): WebhookRow => ({
  name: row.name,
  stream: row.stream,
  run: row.run,
  url: row.url,
  filter: JSON.parse(row.filter) as WebhookFilter,
  secret: JSON.parse(row.secret) as SealedValue,
  pausedBecause: row.paused_because,
  position: row.position,
  progressRevision: row.progress_revision,
  revision: row.revision,
  createdAt: row.created_at,
  failures: row.failures ?? 0,
  lastError: row.last_error,
  parked: row.parked,
})

/** Queries of the view `webhooks`. */
export const webhookQueries = (views: Views) => ({
  byName: (name: string): WebhookRow | undefined => {
    const row = views.get<Stored>(`${select} WHERE name = ?`, name)
    return row && rowOf(row)
  },
  byStream: (stream: string): WebhookRow | undefined => {
    const row = views.get<Stored>(`${select} WHERE stream = ?`, stream)
    return row && rowOf(row)
  },
  activeStreams: (): readonly string[] =>
    views.all<{ stream: string }>(`SELECT stream FROM webhooks WHERE paused_because IS NULL`).map(({ stream }) => stream),
  count: (): number => views.get<{ count: number }>(`SELECT count(*) AS count FROM webhooks`)?.count ?? 0,
  /** By name; the keyset is `[name]`. */
  list: (paging: Keyset): ListOf<WebhookRow> =>
    listOf<Stored, WebhookRow>(views, {
      select: `SELECT * FROM (${select})`,
      conditions: [],
      keys: ['name'],
      order: 'ASC',
      keyOf: ({ name }) => [name],
      rowOf,
      ...paging,
    }),
  /** What waits there, in the order of the log; the keyset is `[position]`. */
  parked: (name: string, paging: Keyset): ListOf<ParkedEvent> =>
    listOf<ParkedEvent, ParkedEvent>(views, {
      select: `SELECT id, position, stream, attempts, error, parked_at AS parkedAt FROM parked`,
      conditions: [{ sql: `name = ? AND redriving = 0`, values: [name] }],
      keys: ['position'],
      order: 'ASC',
      keyOf: ({ position }) => [position],
      rowOf: (row) => ({ ...row }),
      ...paging,
    }),
  parkedById: (name: string, id: string): ParkedEvent | undefined => {
    const row = views.get<ParkedEvent>(
      `SELECT id, position, stream, attempts, error, parked_at AS parkedAt FROM parked WHERE name = ? AND id = ?`,
      name,
      id,
    )
    return row && { ...row }
  },
  isParked: (name: string, id: string): boolean =>
    views.get(`SELECT 1 FROM parked WHERE name = ? AND id = ?`, name, id) !== undefined,
  /** Where the deliveries of a stretch go on, beside what follows its position. */
  open: ({ run, name }: Pick<WebhookRow, 'run' | 'name'>): readonly OpenDelivery[] => [
    ...views
      .all<OpenRow>(
        `SELECT behind.stream, behind.revision, behind.position, NULL AS redriven, id, attempts, retry_at FROM behind
         LEFT JOIN failing ON failing.run = behind.run AND failing.stream = behind.stream AND failing.redriven = 0 WHERE behind.run = ?`,
        run,
      )
      .map(openOf),
    ...views
      .all<OpenRow>(
        `SELECT parked.stream, parked.revision, parked.position, parked.id AS redriven, failing.id AS id, failing.attempts, retry_at
         FROM parked LEFT JOIN failing ON failing.run = ? AND failing.id = parked.id AND failing.redriven = 1
         WHERE name = ? AND redriving = 1`,
        run,
        name,
      )
      .map(openOf),
  ],
})

interface OpenRow {
  readonly stream: string
  readonly revision: number
  readonly position: string
  readonly redriven: string | null
  readonly id: string | null
  readonly attempts: number | null
  readonly retry_at: string | null
}

const openOf = ({ stream, revision, position, redriven, id, attempts, retry_at }: OpenRow): OpenDelivery => ({
  stream,
  revision,
  position,
  redriven,
  failed: id === null || attempts === null || retry_at === null ? null : { id, attempts, retryAt: retry_at },
})
