import { z } from 'zod'
import type { Known } from '../../projections/known.ts'
import { allows, type Principal } from '../../stores/credentials/credentials.ts'
import { type EventLog, origin, type Position, type RecordedEvent } from '../../stores/event-log.ts'
import { scan } from '../../stores/event-scan.ts'
import type { EventSelection } from '../../stores/event-selection.ts'
import { eventStream } from '../events/sse-clients.ts'
import { eventLine, shownEvent } from '../events/sse-frames.ts'
import { headerOf } from '../faces/arrival.ts'
import { caused, goneSignal, type HttpContext, principalOf } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { type DocumentedReply, type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { parsePosition } from '../reading/event-position.ts'
import { anyOf, limit, order, time } from '../reading/query.ts'
import { negotiate } from '../replies/content-negotiation.ts'
import { json } from '../replies/json.ts'
import { ndjson } from '../replies/ndjson.ts'
import { forbidden, Problem, unauthenticated } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import { EventDocument, problems } from './schemas.ts'

const representations = ['application/json', 'application/x-ndjson', 'text/event-stream'] as const
/** A search for rare events in a long log answers after this time with what it found, and where to go on. */
const longestScanMs = 5_000

const after = z
  .string()
  .max(100)
  .optional()
  .meta({ description: 'Only events after this position; with `order=desc` the exclusive upper bound' })

/** Parameters of the routes that answer with events; `limit` and `order` are of JSON alone. */
interface Paging {
  readonly after?: string | undefined
  readonly limit?: number | undefined
  readonly order?: 'asc' | 'desc' | undefined
}

export const eventAnswers: Readonly<Record<number, DocumentedReply>> = {
  200: {
    description:
      '`next` is the position to pass as `after`; null when no further event before `head` matches. A long search answers after 5 seconds at most, possibly with fewer items than `limit`, and with `next`. By `Accept` also `application/x-ndjson` (one event a line, up to the head) and `text/event-stream` (follows for ever).',
    schema: z.object({ items: z.array(EventDocument), next: z.string().nullable(), head: z.string() }).meta({ id: 'EventPage' }),
    otherwise: { 'application/x-ndjson': EventDocument, 'text/event-stream': z.string() },
  },
  ...problems({ 400: 'A parameter is wrong', 406: 'The accepted type is not offered' }),
}

export const eventRoutes = (tools: RouteTools): readonly NativeRoute[] => [
  nativeRoute({
    method: 'get',
    path: '/v1/events',
    reads: [],
    summary: 'List or follow events',
    description: 'A principal without `v1:read` sees the events of the faces that it may read.',
    tag: 'events',
    scope: null,
    headers: { Accept: representations.join(', '), 'Last-Event-ID': 'Position behind which to go on; wins over `after`' },
    query: z.object({
      after,
      limit: limit()
        .removeDefault()
        .optional()
        .meta({ description: 'Maximum number of items (JSON only)', type: 'integer', minimum: 1, maximum: 1000, default: 50 }),
      order: order('asc').removeDefault().optional().meta({ description: 'Order of the items (JSON only)' }),
      type: anyOf('Types of events'),
      category: anyOf('Beginnings of stream names, up to the first hyphen'),
      stream: anyOf('Names of streams'),
      correlation: anyOf('Correlation ids'),
      principal: anyOf('Name of the principal'),
      from: time('Not recorded before this time'),
      to: time('Recorded before this time'),
    }),
    answers: {
      ...eventAnswers,
      ...problems({ 401: 'Credentials are missing or wrong', 403: 'No scope lets the credentials read anything' }),
    },
    handle: ({ c, ports, known, query }) => {
      const { after, limit, order, ...filters } = query
      return answerEvents({
        c,
        ports,
        known,
        tools,
        paging: { after, limit, order },
        selection: { ...filters, visible: visibleTo(c, ports) },
      })
    },
  }),
]

/** What this principal may see of the log: everything with `v1:read`, else what the faces caused that it may read. */
export const visibleTo = (c: HttpContext, { credentials }: HttpPorts): ((event: RecordedEvent) => boolean) => {
  const principal = principalOf(c)
  if (allows(principal, 'v1:read')) return () => true
  if (!c.authenticated) throw unauthenticated()
  if (!credentials.configured() || !mayReadSomething(principal)) throw forbidden('v1:read')
  return ({ metadata: { actor } }) => actor.face !== null && allows(principal, `${actor.face}:read`)
}

const mayReadSomething = ({ scopes }: Principal): boolean => scopes.some((scope) => /:(read|write)$/.test(scope))

/** One resource in three representations. Source: native contract, section 3. */
export const answerEvents = async ({
  c,
  ports,
  known,
  tools,
  paging,
  selection,
}: {
  readonly c: HttpContext
  readonly ports: HttpPorts
  readonly known: Known
  readonly tools: RouteTools
  readonly paging: Paging
  readonly selection: EventSelection
}): Promise<Reply> => {
  const { log } = ports
  const type = negotiate(headerOf(c, 'accept'), representations)
  if (type === undefined) throw new Problem('not-acceptable', `events are offered as ${representations.join(', ')}`)
  const given = paging.after === undefined ? undefined : await parsePosition(ports, paging.after, '?after')
  if (type !== 'application/json') refuseJsonOnly(paging)
  if (type !== 'text/event-stream') {
    const head = known.asOf ?? (await log.head())
    caused(c, { position: head })
    return type === 'application/json'
      ? page(c, ports, selection, { ...paging, after: given, head })
      : ndjson(lines(log, selection, { after: given ?? origin, head }))
  }
  const lastEventId = headerOf(c, 'last-event-id')
  const resumed = lastEventId === undefined ? given : await parsePosition(ports, lastEventId, 'Last-Event-ID')
  const principal = principalOf(c)
  return eventStream(c, {
    ...{ log, hub: tools.hub, selection, closing: tools.closing },
    after: resumed ?? (await log.head()),
    isAllowed: () => ports.credentials.isCurrent(principal),
  })
}

const refuseJsonOnly = ({ limit, order }: Paging): void => {
  const errors = Object.entries({ limit, order }).flatMap(([name, value]) =>
    value === undefined ? [] : [{ pointer: `?${name}`, message: 'only for application/json' }],
  )
  if (errors.length > 0) throw new Problem('invalid', 'a query parameter is not for this representation', { errors })
}

const page = async (
  c: HttpContext,
  { log, clock }: HttpPorts,
  selection: EventSelection,
  { after, limit = 50, order = 'asc', head }: Paging & { readonly head: Position },
): Promise<Reply> => {
  const signal = goneSignal(c)
  const until = clock.monotonic() + longestScanMs
  const items: RecordedEvent[] = []
  let next: Position | null = null
  /** Time to answer with what was found so far, or nobody waits for the answer any more. */
  const isEnough = (position: Position): boolean => {
    const isOver = position <= head && (signal.aborted || clock.monotonic() >= until)
    if (isOver) next = position
    return isOver
  }
  const range = { after: after ?? (order === 'asc' ? origin : undefined), backwards: order === 'desc', isEnough }
  for await (const event of scan(log, selection, range)) {
    if (event.position > head) {
      if (order === 'asc') break
      continue
    }
    if (items.length === limit) {
      next = items.at(-1)?.position ?? null
      break
    }
    items.push(event)
  }
  return json({ items: items.map(shownEvent), next, head })
}

/** One event a line up to the head. */
async function* lines(
  log: EventLog,
  selection: EventSelection,
  { after, head }: { readonly after: Position; readonly head: Position },
): AsyncGenerator<string> {
  for await (const event of scan(log, selection, { after })) {
    if (event.position > head) return
    yield eventLine(event)
  }
}
