import { z } from 'zod'
import type { Known } from '../../projections/known.ts'
import { type WebhookRow, webhookQueries } from '../../projections/webhooks/webhooks.ts'
import type { Position } from '../../stores/event-log.ts'
import { headerOf } from '../faces/arrival.ts'
import { caused, type HttpContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import { cursor, encodeCursor, limit } from '../reading/query.ts'
import { etag, isKnown } from '../replies/entity-tags.ts'
import { json } from '../replies/json.ts'
import { listReplies, listResponse, paged } from '../replies/lists.ts'
import { Problem } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import { problems } from './schemas.ts'
import { lags } from './webhook-lag.ts'
import { ParkedEventDocument, WebhookDocument, webhookExample } from './webhook-schemas.ts'

export const webhookReads = ['webhooks']
export const webhookParams = { name: webhookExample.name }

export const webhooksOf = (known: Known) => webhookQueries(known.views('webhooks'))

export const unknownWebhook = (name: string): Problem => new Problem('not-found', `there is no webhook ${name}`)

const documented = (
  { name, url, filter, pausedBecause, position, failures, lastError, parked, createdAt, revision }: WebhookRow,
  lag: number,
) => ({
  name,
  url,
  filter,
  active: pausedBecause === null,
  pausedBecause,
  position,
  lag,
  failures,
  lastError,
  parked,
  createdAt,
  revision,
})

/** Webhooks as they are known; what is read of the view is read at once, so that it fits the position that the answer names. */
export const shownWebhooks = (
  { log }: Pick<HttpPorts, 'log'>,
  known: Known,
  upTo: Position,
  rows: readonly WebhookRow[],
): Promise<readonly ReturnType<typeof documented>[]> => {
  const queries = webhooksOf(known)
  const delivering = rows.map((row) => ({
    webhook: row,
    open: row.pausedBecause === null || row.failures > 0 ? queries.open(row) : [],
  }))
  return lags(log, known, upTo, delivering).then((counts) => rows.map((row, index) => documented(row, counts[index] ?? 0)))
}

/** What a write answers: the webhook as it is then. */
export const writtenWebhook = async (
  c: HttpContext,
  ports: HttpPorts,
  known: Known,
  { name, position, status }: { readonly name: string; readonly position: Position | null; readonly status: number },
): Promise<{ readonly reply: Reply; readonly shown: ReturnType<typeof documented> }> => {
  const reached = position ?? (await ports.log.head())
  const isReached = await ports.projections.reached(reached, { names: webhookReads, timeoutMs: 2_000 })
  const row = webhooksOf(known).byName(name)
  if (!isReached || row === undefined)
    throw new Problem('not-caught-up', 'the webhook is recorded, and the view does not show it yet')
  caused(c, { position: reached, revision: row.revision })
  const [shown] = await shownWebhooks(ports, known, known.position(), [row])
  if (shown === undefined) throw unknownWebhook(name)
  return { reply: json(shown, status), shown }
}

const listWebhooks = nativeRoute({
  method: 'get',
  path: '/v1/webhooks',
  reads: webhookReads,
  summary: 'List webhooks',
  tag: 'webhooks',
  scope: 'v1:read',
  query: z.object({ limit: limit(), cursor }),
  answers: listReplies(WebhookDocument),
  handle: async ({ c, ports, known, query }) => {
    const { items, next } = webhooksOf(known).list(paged(query, ['string']))
    const position = known.position()
    caused(c, { position })
    const shown = await shownWebhooks(ports, known, position, items)
    return json({ items: shown, next: next === null ? null : encodeCursor(next, known) })
  },
})

const getWebhook = nativeRoute({
  method: 'get',
  path: '/v1/webhooks/{name}',
  reads: webhookReads,
  summary: 'Get a webhook',
  description: 'The entity tag is the revision of its settings; position, lag and failures change without it.',
  tag: 'webhooks',
  scope: 'v1:read',
  params: webhookParams,
  headers: { 'If-None-Match': 'ETag that the client has' },
  answers: {
    200: { description: 'The webhook', schema: WebhookDocument, example: webhookExample },
    304: { description: 'It still has the revision of `If-None-Match`' },
    ...problems({ 404: 'There is no such webhook' }),
  },
  handle: ({ c, ports, known, params: { name = '' } }) => {
    const row = webhooksOf(known).byName(name)
    if (row === undefined) throw unknownWebhook(name)
    const headers = { ETag: etag(row.revision) }
    if (isKnown(headerOf(c, 'if-none-match'), row.revision)) return { status: 304, headers, body: null }
    const position = known.position()
    caused(c, { position })
    return shownWebhooks(ports, known, position, [row]).then(([shown]) => json(shown, 200, headers))
  },
})

const listParked = nativeRoute({
  method: 'get',
  path: '/v1/webhooks/{name}/parked',
  reads: webhookReads,
  summary: 'List events that were given up',
  description: 'After 20 failures in a row an event is parked, and its stream goes on without it. In the order of the log.',
  tag: 'webhooks',
  scope: 'v1:read',
  params: webhookParams,
  query: z.object({ limit: limit(), cursor }),
  answers: { ...listReplies(ParkedEventDocument), ...problems({ 404: 'There is no such webhook' }) },
  handle: ({ known, params: { name = '' }, query }) => {
    const queries = webhooksOf(known)
    if (queries.byName(name) === undefined) throw unknownWebhook(name)
    return listResponse(queries.parked(name, paged(query, ['string'])), known)
  },
})

/** Reading webhooks; what changes them stands in webhook-commands.ts. */
export const webhookRoutes: readonly NativeRoute[] = [listWebhooks, getWebhook, listParked]
