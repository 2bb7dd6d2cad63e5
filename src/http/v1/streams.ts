import { z } from 'zod'
import type { RecordedEvent } from '../../stores/event-log.ts'
import { etag, isKnown } from '../conditional.ts'
import { headerOf } from '../context.ts'
import { isShown, shownEvent } from '../event-frames.ts'
import { json } from '../json.ts'
import { Problem } from '../problem.ts'
import { limit, number, order } from '../query.ts'
import { nativeRoute } from '../route.ts'
import { EventDocument, operationExample, problems } from './schemas.ts'

export const readStream = nativeRoute({
  method: 'get',
  path: '/v1/streams/{stream}',
  summary: 'The events of one stream',
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
    304: { description: 'The stream is still at the revision that the client knows' },
    ...problems({ 400: 'A parameter is wrong', 404: 'The stream has no events' }),
  },
  handle: async ({ c, ports: { log }, params, query }) => {
    const stream = params.stream ?? ''
    const last = isShown(stream) ? await first(log.readStream(stream, { from: 'end', backwards: true, limit: 1 })) : undefined
    if (last === undefined) throw new Problem('not-found', `there is no stream ${stream}`)
    const headers = { ETag: etag(last.revision) }
    if (isKnown(headerOf(c, 'if-none-match'), last.revision)) return { status: 304, headers, body: null }
    const backwards = query.order === 'desc'
    const from = query.from ?? (backwards ? 'end' : 'start')
    const items: RecordedEvent[] = []
    for await (const event of log.readStream(stream, { from, backwards, limit: query.limit + 1 })) items.push(event)
    const next = items.length > query.limit ? (items.pop()?.revision ?? null) : null
    return json({ items: items.map(shownEvent), next, revision: last.revision }, 200, headers)
  },
})

const first = async <Item>(items: AsyncIterable<Item>): Promise<Item | undefined> => {
  for await (const item of items) return item
  return undefined
}
