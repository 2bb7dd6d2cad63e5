import { answerEvents } from '../../events/crawling/answer.ts'
import { forwardEvents } from '../../events/crawling/bridge.ts'
import { feedEvents } from '../../events/crawling/feed.ts'
import { uuidOf } from '../../events/crawling/feed-uuid.ts'
import { operationEvents } from '../../events/operation.ts'
import { dayMs, instant, parseInstant } from '../../lib/clock.ts'
import { isObject, type JsonValue } from '../../lib/json.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'
import { type Any, anyOf, type Keyset, type ListOf, listOf } from '../keyset-list.ts'
import { on, type Projection, type Tx, type Views } from '../projection.ts'

/** Kinds of operations that answer a `uuid`. */
const answeringKinds = ['crawling.info', 'crawling.stop', 'crawling.stats', 'crawling.zookeeper']

export const isAnsweringKind = (kind: string): boolean => answeringKinds.includes(kind)

/**
 * `waiting` for its operation; `stored` for `/poll`; `answered` by the `/feed` that waited; `read` by a poll; `replaced` by a later
 * answer of the same uuid that was read; `never`: no answer can come, `reason` says why.
 */
export const answerStates = ['waiting', 'stored', 'answered', 'read', 'replaced', 'never'] as const
export type AnswerRowState = (typeof answerStates)[number]

/**
 * Every request that carried a `uuid`, and its answer while nobody has taken it. `uuid` is the JSON text of the uuid: that is
 * distinct for every string, whatever characters it has. Source: crawling contract, sections 3 and 14.
 */
export const answers: Projection = {
  name: 'crawling-answers',
  version: 3,
  filter: { streamPrefixes: ['operation-', 'answer-', 'feed-', 'forward-'] },
  kinds: answeringKinds,
  schema: [
    `CREATE TABLE answers (
      seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, uuid TEXT NOT NULL, kind TEXT, appid TEXT, request TEXT NOT NULL,
      state TEXT NOT NULL, reason TEXT, answer TEXT, requested_at TEXT NOT NULL, answered_at TEXT, taken_at TEXT, position TEXT NOT NULL,
      forwarded INTEGER NOT NULL DEFAULT 0
    ) STRICT`,
    `CREATE INDEX answers_by_uuid ON answers (uuid, state)`,
    `CREATE INDEX answers_by_appid ON answers (appid, seq) WHERE appid IS NOT NULL`,
    `CREATE INDEX answers_by_state ON answers (state, seq)`,
    `CREATE INDEX answers_done ON answers (requested_at) WHERE state IN ('answered', 'read', 'replaced', 'never')`,
    `CREATE INDEX answers_unanswered ON answers (requested_at) WHERE state = 'waiting' AND forwarded = 1`,
  ],
  apply: (event, tx) => {
    if (event.stream.startsWith('answer-')) applyAnswer(event, tx)
    else if (event.stream.startsWith('forward-')) applyForward(event, tx)
    else if (event.stream.startsWith('feed-')) applyFeed(event, tx)
    else applyOperation(event, tx)
  },
}

export interface AnswerRow {
  readonly seq: number
  /** The operation's id, or the feed's where nothing came of it, or that of the message by which a Scrapy Cluster answered. */
  readonly id: string
  /** JSON text. */
  readonly uuid: string
  readonly kind: string | null
  readonly appid: string | null
  /** JSON text. */
  readonly request: string
  readonly state: AnswerRowState
  readonly reason: string | null
  /** JSON text; only while `stored`. */
  readonly answer: string | null
  readonly requested_at: string
  readonly answered_at: string | null
  readonly taken_at: string | null
  /** 1 where a Scrapy Cluster was asked. */
  readonly forwarded: number
}

/** An answer that may be handed out. */
export type StoredAnswer = Pick<AnswerRow, 'id' | 'kind' | 'answer' | 'forwarded'>

/** Whether the answer is the result of an operation here; else a Scrapy Cluster gave it. */
export const isResult = ({ kind, forwarded }: StoredAnswer): boolean => kind !== null && forwarded === 0

export interface AnswerFilter extends Keyset {
  readonly uuid?: Any
  readonly appid?: Any
  readonly state?: readonly AnswerRowState[] | undefined
}

/** A request with a `uuid` and what became of it. */
export interface AnswerItem {
  readonly id: string
  readonly uuid: string
  readonly kind: string | null
  readonly state: AnswerRowState
  readonly reason: string | null
  readonly request: JsonValue
  readonly requestedAt: string
  readonly answeredAt: string | null
  readonly takenAt: string | null
}

/** Most untaken answers under one uuid; clients never poll for more. */
const mostCandidates = 100

/** Queries of the view `crawling-answers`. */
export const answerQueries = (views: Views) => ({
  /** Untaken answers of a uuid, the latest first; `since` (RFC 3339) leaves out older ones. */
  stored: (uuid: string, { since }: { readonly since: string }): readonly StoredAnswer[] =>
    views.all<StoredAnswer>(
      `SELECT id, kind, answer, forwarded FROM answers WHERE uuid = ? AND state = 'stored' AND answered_at >= ? ORDER BY position DESC LIMIT ${mostCandidates}`,
      JSON.stringify(uuid),
      since,
    ),

  byId: (id: string): AnswerRow | undefined => views.get<AnswerRow>(`SELECT * FROM answers WHERE id = ?`, id),

  /** The newest first; the keyset is `[seq]`. */
  list: ({ uuid, appid, state, ...rest }: AnswerFilter): ListOf<AnswerItem> =>
    listOf<AnswerRow, AnswerItem>(views, {
      select: `SELECT * FROM answers`,
      conditions: [
        anyOf(
          'uuid',
          uuid?.map((text) => JSON.stringify(text)),
        ),
        anyOf('appid', appid),
        anyOf('state', state),
      ],
      keys: ['seq'],
      order: 'DESC',
      keyOf: ({ seq }) => [seq],
      rowOf: itemOf,
      ...rest,
    }),
})

const itemOf = (row: AnswerRow): AnswerItem => ({
  id: row.id,
  uuid: JSON.parse(row.uuid) as string,
  kind: row.kind,
  state: row.state,
  reason: row.reason,
  request: JSON.parse(row.request) as JsonValue,
  requestedAt: row.requested_at,
  answeredAt: row.answered_at,
  takenAt: row.taken_at,
})

const idOf = (event: RecordedEvent): string => event.stream.slice(event.stream.indexOf('-') + 1)

/** Time that completed requests are shown; those that can still be polled stay. */
const doneForMs = 30 * dayMs

/**
 * The time of the event decides, not the clock: a view made again is the same view. Left to itself SQLite takes the index by state
 * and looks at all that are done, at each request (8,000 of them: 0.8 ms).
 */
const forgetOld = (event: RecordedEvent, tx: Tx): void =>
  tx.run(
    `DELETE FROM answers INDEXED BY answers_done WHERE state IN ('answered', 'read', 'replaced', 'never') AND requested_at < ?`,
    doneBefore(event),
  )

const doneBefore = (event: RecordedEvent): string => instant(parseInstant(event.recordedAt) - doneForMs)

const insert = (
  event: RecordedEvent,
  tx: Tx,
  row: {
    readonly uuid: string
    readonly kind: string | null
    readonly request: JsonValue
    readonly state: AnswerRowState
    readonly reason: string | null
  },
): void => {
  forgetOld(event, tx)
  const appid = isObject(row.request) && typeof row.request.appid === 'string' ? row.request.appid : null
  tx.run(
    `INSERT INTO answers (id, uuid, kind, appid, request, state, reason, requested_at, position)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
    idOf(event),
    JSON.stringify(row.uuid),
    row.kind,
    appid,
    JSON.stringify(row.request),
    row.state,
    row.reason,
    event.recordedAt,
    event.position,
  )
}

const store = (event: RecordedEvent, tx: Tx, answer: JsonValue): void =>
  tx.run(
    `UPDATE answers SET state = 'stored', answer = ?, answered_at = ?, position = ? WHERE id = ? AND state = 'waiting'`,
    JSON.stringify(answer),
    event.recordedAt,
    event.position,
    idOf(event),
  )

const never = (event: RecordedEvent, tx: Tx, reason: string): void =>
  tx.run(
    `UPDATE answers SET state = 'never', reason = ?, answered_at = ?, position = ? WHERE id = ? AND state = 'waiting'`,
    reason,
    event.recordedAt,
    event.position,
    idOf(event),
  )

const applyOperation = on(operationEvents, {
  OperationRequested: (event, tx) => {
    const { kind, externalRef, input } = event.data
    if (externalRef === null || !isAnsweringKind(kind)) return
    insert(event, tx, { uuid: externalRef, kind, request: input as JsonValue, state: 'waiting', reason: null })
  },
  OperationSucceeded: (event, tx) => {
    const { result } = event.data
    if (!isObject(result)) return never(event, tx, 'a request of this form has no answer')
    store(event, tx, result as JsonValue)
  },
  OperationFailed: (event, tx) => never(event, tx, event.data.error.message),
  OperationCancelled: (event, tx) => never(event, tx, event.data.reason ?? 'cancelled'),
  OperationTimedOut: (event, tx) => never(event, tx, 'the operation ran over its time limit'),
})

const applyFeed = on(feedEvents, {
  FeedRejected: (event, tx) => {
    const { payload, errors } = event.data
    if (!isObject(payload) || typeof payload.uuid !== 'string') return
    const reason = errors[0]?.message ?? 'not recognised'
    insert(event, tx, { uuid: payload.uuid, kind: null, request: payload as JsonValue, state: 'never', reason })
  },
})

/** A Scrapy Cluster was asked; its answer names the uuid alone. */
const applyForward = on(forwardEvents, {
  FeedReceived: (event, tx) => {
    const { payload, awaitsAnswer } = event.data
    if (!awaitsAnswer || !isObject(payload)) return
    const asked = typeof payload.action === 'string' ? payload.action : event.data.class
    const kind = asked === null ? null : `crawling.${asked.includes('-') ? 'zookeeper' : asked}`
    insert(event, tx, {
      uuid: uuidOf(payload.uuid as JsonValue),
      kind,
      request: payload as JsonValue,
      state: 'waiting',
      reason: null,
    })
    tx.run(`UPDATE answers SET forwarded = 1 WHERE id = ?`, idOf(event))
    // A Scrapy Cluster sends no message if it has no answer.
    tx.run(
      `DELETE FROM answers INDEXED BY answers_unanswered WHERE state = 'waiting' AND forwarded = 1 AND requested_at < ?`,
      doneBefore(event),
    )
  },
  FeedNotForwarded: (event, tx) => never(event, tx, event.data.reason),
})

const take = (event: RecordedEvent, tx: Tx, state: 'answered' | 'read'): void =>
  tx.run(`UPDATE answers SET state = ?, answer = NULL, taken_at = ? WHERE id = ?`, state, event.recordedAt, idOf(event))

const applyAnswer = on(answerEvents, {
  AnswerReceived: (event, tx) => {
    const { uuid, answer } = event.data
    // The request that has waited longest becomes the answer's.
    const asked = tx.get<{ seq: number }>(
      `SELECT min(seq) AS seq FROM answers WHERE uuid = ? AND state = 'waiting'`,
      JSON.stringify(uuid),
    )?.seq
    if (asked != null) tx.run(`UPDATE answers SET id = ? WHERE seq = ?`, idOf(event), asked)
    else {
      const { appid } = answer as { readonly appid?: JsonValue }
      const request = { uuid, ...(appid === undefined ? {} : { appid }) }
      insert(event, tx, { uuid, kind: null, request, state: 'waiting', reason: null })
    }
    store(event, tx, answer as JsonValue)
  },
  AnswerDelivered: (event, tx) => take(event, tx, 'answered'),
  AnswerPolled: (event, tx) => {
    take(event, tx, 'read')
    // Of several answers of one uuid the latest is the one that a poll finds; it took the place of the earlier ones.
    tx.run(
      `UPDATE answers SET state = 'replaced', answer = NULL, taken_at = ?1
       WHERE uuid = ?2 AND state = 'stored' AND position < (SELECT position FROM answers WHERE id = ?3)`,
      event.recordedAt,
      JSON.stringify(event.data.uuid),
      idOf(event),
    )
  },
})
