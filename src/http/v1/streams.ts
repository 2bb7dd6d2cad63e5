import { z } from 'zod'
import type { RecordedEvent } from '../../stores/event-log.ts'
import { lastOfStream } from '../../stores/last-of-stream.ts'
import { isShown, shownEvent } from '../events/sse-frames.ts'
import { headerOf } from '../faces/arrival.ts'
import { caused } from '../faces/http-context.ts'
import { nativeRoute } from '../faces/native-route.ts'
import { limit, number, order } from '../reading/query.ts'
import { etag, isKnown } from '../replies/entity-tags.ts'
import { json } from '../replies/json.ts'
import { Problem } from '../replies/problem.ts'
import { EventDocument, operationExample, problems } from './schemas.ts'

export const readStream = nativeRoute({
  method: 'get',
  path: '/v1/streams/{stream}',
  reads: [],
  summary: 'List the events of a stream',
  description: '`from` is the first revision of the page, inclusive, in either order; `next` is the `from` of the next page.',
  tag: 'events',
  scope: 'v1:read',
  params: { stream: `operation-${operationExample.id}` },
  query: z.object({
    from: number(0, Number.MAX_SAFE_INTEGER, 'Revision that the page begins at'),
    limit: limit(),
    order: order('asc'),
  }),
  answers: {
    200: {
      description: 'Events in the asked order; `revision` is the stream’s last',
      schema: z
        .object({ items: z.array(EventDocument), next: z.number().int().nullable(), revision: z.number().int() })
        .meta({ id: 'StreamPage' }),
    },
    304: { description: 'Unchanged: the stream still has the revision of `If-None-Match`' },
    ...problems({ 400: 'A parameter is wrong', 404: 'The stream has no events' }),
  },
  handle: async ({ c, ports: { log }, known, params, query }) => {
    const stream = params.stream ?? ''
    const upTo = known.asOf ?? (await log.head())
    caused(c, { position: upTo })
    const last = isShown(stream) ? await lastOfStream(log, stream, upTo) : undefined
    if (last === undefined) throw new Problem('not-found', `there is no stream ${stream}`)
    const headers = { ETag: etag(last.revision) }
    if (isKnown(headerOf(c, 'if-none-match'), last.revision)) return { status: 304, headers, body: null }
    const backwards = query.order === 'desc'
    const from = backwards ? Math.min(query.from ?? last.revision, last.revision) : (query.from ?? 'start')
    const items: RecordedEvent[] = []
    for await (const event of log.readStream(stream, { from, backwards, limit: query.limit + 1 })) {
      if (event.revision > last.revision) break
      items.push(event)
    }
    const next = items.length > query.limit ? (items.pop()?.revision ?? null) : null
    return json({ items: items.map(shownEvent), next, revision: last.revision }, 200, headers)
  },
})
