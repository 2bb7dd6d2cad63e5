import { receivedItemEvents } from '../../events/crawling/bridge.ts'
import { pageEvents } from '../../events/crawling/page.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'
import { type Any, anyOf, type Keyset, type ListOf, listOf } from '../keyset-list.ts'
import { on, type Projection, type Tx, type Views } from '../projection.ts'

/** Crawled items: where the document and the body of each are kept. The item's id is the page's, or that of the message that brought it. */
export const crawlingItems: Projection = {
  name: 'crawling-items',
  version: 2,
  filter: { streamPrefixes: ['page-', 'item-'] },
  schema: [
    `CREATE TABLE items (
      id TEXT PRIMARY KEY, operation TEXT NOT NULL, spiderid TEXT NOT NULL, appid TEXT NOT NULL, crawlid TEXT NOT NULL,
      url TEXT NOT NULL, response_url TEXT NOT NULL, status_code INTEGER NOT NULL, encoding TEXT, bytes INTEGER NOT NULL,
      item TEXT NOT NULL, body TEXT NOT NULL, at TEXT NOT NULL, position TEXT NOT NULL UNIQUE
    ) STRICT`,
    `CREATE INDEX items_appid ON items (appid, crawlid, position)`,
    `CREATE INDEX items_crawlid ON items (crawlid, position)`,
  ],
  apply: (event, tx) => (event.stream.startsWith('page-') ? fromPages(event, tx) : fromTopics(event, tx)),
}

type Kept = Pick<ItemRow, 'appid' | 'crawlid' | 'url' | 'responseUrl' | 'statusCode' | 'encoding' | 'bytes' | 'item' | 'body'>

const keep = (
  tx: Tx,
  { stream, recordedAt, position }: RecordedEvent,
  data: Kept,
  { operation, spiderid }: { readonly operation: string; readonly spiderid: string },
): void =>
  tx.run(
    `INSERT OR IGNORE INTO items (id, operation, spiderid, appid, crawlid, url, response_url, status_code, encoding, bytes, item, body, at, position)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    stream.slice(stream.indexOf('-') + 1),
    operation,
    spiderid,
    data.appid,
    data.crawlid,
    data.url,
    data.responseUrl,
    data.statusCode,
    data.encoding,
    data.bytes,
    data.item,
    data.body,
    recordedAt,
    position,
  )

const fromPages = on(pageEvents, { PageFetched: (event, tx) => keep(tx, event, event.data, event.data) })

/** Items that a Scrapy Cluster has crawled say neither their operation nor their spider. */
const fromTopics = on(receivedItemEvents, {
  ItemReceived: (event, tx) => keep(tx, event, event.data, { operation: '', spiderid: '' }),
})

export interface ItemRow {
  readonly id: string
  /** Empty, as the spider is, where it was crawled by a Scrapy Cluster. */
  readonly operation: string
  readonly spiderid: string
  readonly appid: string
  readonly crawlid: string
  readonly url: string
  readonly responseUrl: string
  readonly statusCode: number
  readonly encoding: string | null
  readonly bytes: number
  /** Hash of the item document: the item without its body. */
  readonly item: string
  /** Hash of the body's bytes. */
  readonly body: string
  readonly at: string
}

interface ItemRecord extends Omit<ItemRow, 'responseUrl' | 'statusCode'> {
  readonly response_url: string
  readonly status_code: number
  readonly position: string
}

export interface ItemFilter extends Keyset {
  readonly spiderid?: Any
  readonly appid?: Any
  readonly crawlid?: Any
  readonly operation?: Any
  /** RFC 3339, inclusive and exclusive. */
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly order?: 'asc' | 'desc'
}

/** Queries of the view `crawling-items`. */
export const itemQueries = (views: Views) => ({
  /** In the order of their fetching, oldest first unless asked otherwise; the keyset is `[position]`. */
  items: ({ spiderid, appid, crawlid, operation, from, to, order = 'asc', ...rest }: ItemFilter): ListOf<ItemRow> =>
    listOf<ItemRecord, ItemRow>(views, {
      select: `SELECT * FROM items`,
      conditions: [
        anyOf('spiderid', spiderid),
        anyOf('appid', appid),
        anyOf('crawlid', crawlid),
        anyOf('operation', operation),
        from === undefined ? undefined : { sql: 'at >= ?', values: [from] },
        to === undefined ? undefined : { sql: 'at < ?', values: [to] },
      ],
      keys: ['position'],
      order: order === 'asc' ? 'ASC' : 'DESC',
      keyOf: ({ position }) => [position],
      rowOf: itemOf,
      ...rest,
    }),

  item: (id: string): ItemRow | undefined => {
    const row = views.get<ItemRecord>(`SELECT * FROM items WHERE id = ?`, id)
    return row === undefined ? undefined : itemOf(row)
  },
})

const itemOf = ({ response_url, status_code, ...row }: ItemRecord): ItemRow => {
  const { id, operation, spiderid, appid, crawlid, url, encoding, bytes, item, body, at } = row
  return {
    id,
    operation,
    spiderid,
    appid,
    crawlid,
    url,
    responseUrl: response_url,
    statusCode: status_code,
    encoding,
    bytes,
    item,
    body,
    at,
  }
}
