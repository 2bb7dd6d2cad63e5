import { type FeedClass, type FeedError, feedEvents } from '../../events/crawling/feed.ts'
import { isObject, type JsonValue } from '../../lib/json.ts'
import { type Any, anyOf, type Keyset, type ListOf, listOf } from '../keyset-list.ts'
import { on, type Projection, type Views } from '../projection.ts'

/** Rejected feeds with the reasons. Source: crawling contract, section 14. */
export const rejections: Projection = {
  name: 'crawling-rejections',
  version: 1,
  filter: { streamPrefixes: ['feed-'] },
  schema: [
    `CREATE TABLE rejections (
      seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, nearest_class TEXT, uuid TEXT, appid TEXT, payload TEXT NOT NULL,
      errors TEXT NOT NULL, truncated INTEGER NOT NULL, principal TEXT NOT NULL, rejected_at TEXT NOT NULL
    ) STRICT`,
    `CREATE INDEX rejections_by_uuid ON rejections (uuid) WHERE uuid IS NOT NULL`,
    `CREATE INDEX rejections_by_appid ON rejections (appid) WHERE appid IS NOT NULL`,
  ],
  apply: on(feedEvents, {
    FeedRejected: ({ data, stream, metadata, recordedAt }, tx) => {
      const member = (name: string): string | null => {
        const value = isObject(data.payload) ? data.payload[name] : undefined
        return typeof value === 'string' ? JSON.stringify(value) : null
      }
      tx.run(
        `INSERT INTO rejections (id, nearest_class, uuid, appid, payload, errors, truncated, principal, rejected_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
        stream.slice(stream.indexOf('-') + 1),
        data.nearestClass,
        member('uuid'),
        member('appid'),
        JSON.stringify(data.payload),
        JSON.stringify(data.errors),
        data.truncated === true ? 1 : 0,
        metadata.actor.principal,
        recordedAt,
      )
    },
  }),
}

interface RejectionRow {
  readonly seq: number
  readonly id: string
  readonly nearest_class: FeedClass | null
  /** JSON texts, so that every string has a distinct one. */
  readonly uuid: string | null
  readonly appid: string | null
  readonly payload: string
  readonly errors: string
  readonly truncated: number
  readonly principal: string
  readonly rejected_at: string
}

/** A rejected feed, and why it is none of the four requests. */
export interface Rejection {
  readonly id: string
  readonly nearestClass: FeedClass | null
  readonly errors: readonly FeedError[]
  /** The beginning of its JSON text where it is `truncated`. */
  readonly payload: JsonValue
  readonly truncated: boolean
  readonly principal: string
  readonly rejectedAt: string
}

export interface RejectionFilter extends Keyset {
  readonly uuid?: Any
  readonly appid?: Any
  readonly nearestClass?: readonly FeedClass[] | undefined
}

/** Queries of the view `crawling-rejections`. */
export const rejectionQueries = (views: Views) => ({
  /** The newest first; the keyset is `[seq]`. */
  list: ({ uuid, appid, nearestClass, ...rest }: RejectionFilter): ListOf<Rejection> =>
    listOf<RejectionRow, Rejection>(views, {
      select: `SELECT * FROM rejections`,
      conditions: [anyOf('uuid', jsonTexts(uuid)), anyOf('appid', jsonTexts(appid)), anyOf('nearest_class', nearestClass)],
      keys: ['seq'],
      order: 'DESC',
      keyOf: ({ seq }) => [seq],
      rowOf: rejectionOf,
      ...rest,
    }),
})

const jsonTexts = (values: Any): Any => values?.map((value) => JSON.stringify(value))

const rejectionOf = (row: RejectionRow): Rejection => ({
  id: row.id,
  nearestClass: row.nearest_class,
  errors: JSON.parse(row.errors) as FeedError[],
  payload: JSON.parse(row.payload) as JsonValue,
  truncated: row.truncated === 1,
  principal: row.principal,
  rejectedAt: row.rejected_at,
})
