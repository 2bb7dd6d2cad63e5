import { z } from 'zod'
import { operationPrefix } from '../../events/operation.ts'
import type { Step, TrailQueries } from '../../projections/causes.ts'
import type { EventLog, Position, RecordedEvent } from '../../stores/event-log.ts'
import { isShown } from '../events/sse-frames.ts'
import { caused } from '../faces/http-context.ts'
import { type NativeRoute, nativeRoute, type RouteRequest } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { notCaughtUp } from '../reading/as-of.ts'
import { cursor, decodeCursor, encodeCursor, limit } from '../reading/query.ts'
import { type Summaries, summaryOf } from '../replies/event-summary.ts'
import { json } from '../replies/json.ts'
import { listOf } from '../replies/lists.ts'
import { Problem } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import { visibleTo } from './events.ts'
import { unknownOperation } from './operations.ts'
import { operationExample, problems, StepDocument, stepExample } from './schemas.ts'

/** A search for effects that a principal may see answers after this time with what it found, and where to go on. */
const longestSearchMs = 5_000
const readsAtATime = 32

const query = z.object({ limit: limit(), cursor })

const answers: NativeRoute['answers'] = {
  200: {
    description:
      '`cause` leads from the request to the event itself, the oldest first; a retry’s begins with the first operation’s request. `effects` are the events that it caused, directly or through others, the oldest first.',
    schema: z.object({ cause: z.array(StepDocument), effects: listOf(StepDocument) }).meta({ id: 'Why' }),
    example: { cause: [stepExample], effects: { items: [], next: null } },
  },
  ...problems({
    400: 'A parameter is wrong',
    401: 'Credentials are missing or wrong',
    403: 'No scope lets the credentials read anything',
    404: 'There is no such operation or event, or the credentials do not allow reading it',
  }),
}

const description =
  'A principal without `v1:read` sees the events of the faces that it may read. The first request after a pause reads the events recorded since then, and is answered 503 with `Retry-After` if that takes longer than 10 s.'

/** From the request to its effects. Source: native contract, section 8. */
export const whyRoutes = ({ summaries }: Pick<RouteTools, 'summaries'>): readonly NativeRoute[] => [
  nativeRoute({
    method: 'get',
    path: '/v1/operations/{id}/why',
    reads: [],
    summary: 'Why there is an operation, and what it caused',
    description,
    tag: 'operations',
    scope: null,
    params: { id: operationExample.id },
    query,
    answers,
    handle: (request) =>
      answer(request, summaries, (trail, id) => trail.firstOfStream(`${operationPrefix}${id}`), unknownOperation),
  }),
  nativeRoute({
    method: 'get',
    path: '/v1/events/{id}/why',
    reads: [],
    summary: 'Why an event happened, and what it caused',
    description,
    tag: 'events',
    scope: null,
    params: { id: stepExample.id },
    query,
    answers,
    handle: (request) =>
      answer(
        request,
        summaries,
        (trail, id) => trail.byId(id.toLowerCase()),
        (id) => new Problem('not-found', `there is no event ${id}`),
      ),
  }),
]

const answer = async (
  { c, ports, known, params: { id = '' }, query: { limit, cursor } }: RouteRequest<z.output<typeof query>, unknown>,
  summaries: readonly Summaries[],
  find: (trail: TrailQueries, id: string) => Step | undefined,
  unknown: (id: string) => Problem,
): Promise<Reply> => {
  const { log, clock, knowledge } = ports
  const isVisible = visibleTo(c, ports)
  const after = decodeCursor(cursor, ['string'])?.[0] as Position | undefined
  const upTo = known.asOf ?? (await log.head())
  caused(c, { position: upTo })
  const trail = await knowledge.trail(upTo).catch((error: unknown) => {
    throw notCaughtUp(error)
  })
  const shown = async (steps: readonly Step[]): Promise<readonly RecordedEvent[]> =>
    (
      await eventsAt(
        log,
        steps.filter(({ stream }) => isShown(stream)),
      )
    ).filter(isVisible)

  const found = find(trail, id)
  if (found === undefined) throw unknown(id)
  const cause = await shown(trail.causes(found.position))
  if (cause.at(-1)?.position !== found.position) throw unknown(id)

  const until = clock.monotonic() + longestSearchMs
  const effects: RecordedEvent[] = []
  /** Where the search goes on; undefined where it has come to the end. */
  let rest = after ?? (found.position as Position | undefined)
  while (rest !== undefined && effects.length <= limit && clock.monotonic() < until) {
    const steps = trail.effects(found.position, { after: rest, limit: limit + 1 })
    effects.push(...(await shown(steps)))
    rest = steps.length > limit ? steps.at(-1)?.position : undefined
  }
  const items = effects.slice(0, limit)
  const next = effects.length > limit ? items.at(-1)?.position : rest
  const step = (event: RecordedEvent) => stepOf(event, summaries)
  return json({
    cause: cause.map(step),
    effects: { items: items.map(step), next: next === undefined ? null : encodeCursor([next], known) },
  })
}

const stepOf = (event: RecordedEvent, summaries: readonly Summaries[]) => {
  const { position, stream, type, id, metadata, recordedAt } = event
  return { position, stream, type, id, actor: metadata.actor, at: recordedAt, summary: summaryOf(event, summaries) }
}

/** The events in the order of the steps; some at a time. */
const eventsAt = async (log: EventLog, steps: readonly Step[]): Promise<readonly RecordedEvent[]> => {
  const events: RecordedEvent[] = []
  for (let from = 0; from < steps.length; from += readsAtATime)
    for (const event of await Promise.all(steps.slice(from, from + readsAtATime).map((step) => eventAt(log, step))))
      if (event !== undefined) events.push(event)
  return events
}

const eventAt = async (log: EventLog, { stream, revision }: Step): Promise<RecordedEvent | undefined> => {
  for await (const event of log.readStream(stream, { from: revision, limit: 1 })) return event
  return undefined
}
