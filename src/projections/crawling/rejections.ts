import { type FeedClass, feedEvents } from '../../events/crawling/feed.ts'
import { isObject } from '../../lib/json.ts'
import { on, type Projection, type Views } from '../projection.ts'

/** What was fed and fits no schema, with the reasons. Source: crawling contract, section 14. */
export const rejections: Projection = {
  name: 'crawling-rejections',
  version: 1,
  filter: { streamPrefixes: ['feed-'] },
  schema: [
    `CREATE TABLE rejections (
      seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, nearest_class TEXT, uuid TEXT, appid TEXT, payload TEXT NOT NULL,
      errors TEXT NOT NULL, principal TEXT NOT NULL, rejected_at TEXT NOT NULL
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
        `INSERT INTO rejections (id, nearest_class, uuid, appid, payload, errors, principal, rejected_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
        stream.slice(stream.indexOf('-') + 1),
        data.nearestClass,
        member('uuid'),
        member('appid'),
        JSON.stringify(data.payload),
        JSON.stringify(data.errors),
        metadata.actor.principal,
        recordedAt,
      )
    },
  }),
}

export interface RejectionRow {
  readonly seq: number
  readonly id: string
  readonly nearest_class: FeedClass | null
  /** JSON texts, so that every string has a distinct one. */
  readonly uuid: string | null
  readonly appid: string | null
  readonly payload: string
  readonly errors: string
  readonly principal: string
  readonly rejected_at: string
}

/** What is asked of the view `crawling-rejections`. */
export const rejectionQueries = (views: Views) => ({
  /** The newest first. `before` is the `seq` of the last row of the page before. */
  list: (options: {
    readonly uuid?: string | undefined
    readonly appid?: string | undefined
    readonly nearestClass?: FeedClass | undefined
    readonly before?: number | undefined
    readonly limit: number
  }): readonly RejectionRow[] =>
    views.all<RejectionRow>(
      `SELECT * FROM rejections
       WHERE (?1 IS NULL OR uuid = ?1) AND (?2 IS NULL OR appid = ?2) AND (?3 IS NULL OR nearest_class = ?3) AND (?4 IS NULL OR seq < ?4)
       ORDER BY seq DESC LIMIT ?5`,
      options.uuid === undefined ? null : JSON.stringify(options.uuid),
      options.appid === undefined ? null : JSON.stringify(options.appid),
      options.nearestClass ?? null,
      options.before ?? null,
      options.limit,
    ),
})
