import { z } from 'zod'
import type { ItemDocument } from '../../projections/crawling/item.ts'
import { type ItemRow, itemQueries } from '../../projections/crawling/items.ts'
import type { Known } from '../../projections/known.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import { anyOf, cursor, limit, order, time } from '../reading/query.ts'
import { json } from '../replies/json.ts'
import { listReplies, listResponse, paged, resourceReplies } from '../replies/lists.ts'
import { Problem } from '../replies/problem.ts'
import { operationExample } from '../v1/schemas.ts'
import { ItemEntrySchema, ItemSchema } from './crawl-schemas.ts'

const tag = 'Crawls'
const scope = 'v1:read'

/** An item in a list: without document and body. */
export const itemEntry = ({ item: _item, body: _body, ...entry }: ItemRow): Omit<ItemRow, 'item' | 'body'> => entry

/** Crawled items as consumers of the firehose read them, and bodies byte for byte. Source: crawling contract, section 7. */
export const itemRoutes = (
  { blobs }: Pick<HttpPorts, 'blobs'>,
  { base64Body }: { readonly base64Body: boolean },
): readonly NativeRoute[] => {
  const items = (known: Known) => itemQueries(known.views('crawling-items'))
  const itemOf = (known: Known, id: string | undefined): ItemRow => {
    const row = items(known).item(id ?? '')
    if (row === undefined) throw new Problem('not-found', `there is no item ${id}`)
    return row
  }
  const lost = (what: string): Problem => new Problem('not-found', `the ${what} of this item is no longer in the store`)

  return [
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/items',
      summary: 'List items of all crawls',
      description: 'Without bodies, in the order of fetching.',
      tag,
      scope,
      reads: ['crawling-items'],
      query: z.object({
        spiderid: anyOf('Of these spiders'),
        appid: anyOf('Of these applications'),
        crawlid: anyOf('Of these crawls'),
        operation: anyOf('Of these operations'),
        from: time('Fetched at or after'),
        to: time('Fetched before'),
        order: order('asc'),
        limit: limit(),
        cursor,
      }),
      answers: listReplies(ItemEntrySchema),
      handle: ({ known, query }) => listResponse(items(known).items(paged(query, ['string'])), known, itemEntry),
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/items/{id}',
      params: { id: operationExample.id },
      summary: 'Get an item',
      description: 'With its body: as text by its encoding, as base64 where the response is not text.',
      tag,
      scope,
      reads: ['crawling-items'],
      answers: resourceReplies(ItemSchema),
      handle: async ({ known, params }) => {
        const row = itemOf(known, params.id)
        const [document, body] = await Promise.all([blobs.get(row.item), blobs.get(row.body)])
        if (document === undefined || body === undefined) throw lost('document')
        const { itemWithBody } = await import('../../projections/crawling/item.ts')
        return json(itemWithBody(JSON.parse(document.toString('utf8')) as ItemDocument, body, { base64: base64Body }))
      },
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/items/{id}/body',
      params: { id: operationExample.id },
      summary: 'Get the body of an item',
      description:
        'The bytes that the server sent, without their content encoding. Never to be rendered: it is what strangers wrote.',
      tag,
      scope,
      reads: ['crawling-items'],
      answers: {
        ...resourceReplies(ItemSchema),
        200: { description: 'The bytes', schema: z.string(), type: 'application/octet-stream' },
      },
      handle: async ({ known, params }) => {
        const body = await blobs.get(itemOf(known, params.id).body)
        if (body === undefined) throw lost('body')
        return { status: 200, headers: bodyHeaders, body }
      },
    }),
  ]
}

/** Crawled pages must not run as pages of this server. */
const bodyHeaders = {
  'Content-Type': 'application/octet-stream',
  'Content-Disposition': 'attachment',
  'Content-Security-Policy': "sandbox; default-src 'none'",
  'X-Content-Type-Options': 'nosniff',
}
