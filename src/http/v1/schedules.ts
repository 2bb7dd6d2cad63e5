import { z } from 'zod'
import { type ScheduleState, schedule, scheduleStream } from '../../commands/schedules/schedule.ts'
import { NewSchedule, ReplacedSchedule } from '../../commands/schedules/schedule-request.ts'
import type { ScheduleOutcome, ScheduleWriteRefusal } from '../../commands/schedules/schedules.ts'
import { scheduleSubject } from '../../events/schedule.ts'
import { masked } from '../../events/sealed.ts'
import type { JsonValue } from '../../lib/json.ts'
import { createPace } from '../../lib/time-slice.ts'
import { type FoundSchedule, scheduleQueries, scheduleResource } from '../../projections/schedules.ts'
import { secretQueries } from '../../projections/secrets.ts'
import { headerOf } from '../faces/arrival.ts'
import { caused, requestContext } from '../faces/http-context.ts'
import { type NativeRoute, nativeRoute, type RouteRequest } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { settle } from '../reading/event-position.ts'
import { cursor, decodeCursor, encodeCursor, limit } from '../reading/query.ts'
import { type Answers, answerTo } from '../replies/answers.ts'
import { etag, isKnown, pinnedRevision, versionMismatch } from '../replies/entity-tags.ts'
import { json } from '../replies/json.ts'
import { listOf } from '../replies/lists.ts'
import { Problem } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import { ScheduleDocument, scheduleExample } from './schedule-document.ts'
import { OperationDocument, problems } from './schemas.ts'
import { accepted, submitAnswers } from './submit.ts'

type Request = Pick<RouteRequest<unknown, unknown>, 'c' | 'ports' | 'known' | 'params'>

const reads = ['schedules']
const params = { name: 'nightly' }
const ifMatch = 'ETag of the schedule that the client read; 412 if it has changed'
const unknownName = { 404: 'There is no schedule of this name' }
const shown = { schema: ScheduleDocument, example: scheduleExample }

const keyOf = (name = '') => ({ owner: null, name })

const lookUp = ({ known, params: { name = '' } }: Request): FoundSchedule | undefined =>
  scheduleQueries(known.views('schedules')).byName(name, known.now())

const find = (request: Request): FoundSchedule => {
  const found = lookUp(request)
  if (found === undefined) throw unknownSchedule(request)
  return found
}

const unknownSchedule = ({ params: { name } }: Request): Problem => new Problem('not-found', `there is no schedule ${name}`)

const answer = ({ resource, version }: FoundSchedule, status = 200, headers: Readonly<Record<string, string>> = {}): Reply =>
  json(resource, status, { ETag: etag(version), ...headers })

/** What `If-Match` pins. The tag counts firings too, which are no events of the schedule's stream. */
const pinOf = async (request: Request): Promise<{ pinnedRevision?: number }> => {
  const { c, ports } = request
  const header = headerOf(c, 'if-match')
  if (header === undefined) return {}
  await settle(ports, await ports.log.head(), reads)
  const { version, revision } = find(request)
  const pinned = pinnedRevision(header, version)
  if (pinned === undefined) return {}
  if (pinned !== version) throw versionMismatch(header, version)
  return { pinnedRevision: revision }
}

const answers: Answers<ScheduleWriteRefusal, Problem, Request> = {
  ...submitAnswers,
  exists: (_refused, { params: { name } }) => new Problem('exists', `there is a schedule ${name} already`),
  'unknown-schedule': (_refused, request) => unknownSchedule(request),
  'version-mismatch': (_refused, request) => versionMismatch(headerOf(request.c, 'if-match') ?? '', find(request).version),
}

/** After a write: waits for the view, and shows the schedule. */
const written = async (
  request: Request,
  outcome: ScheduleOutcome,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> => {
  if (outcome.refused !== undefined) throw answerTo(answers, outcome.refused, request)
  const { c, ports } = request
  await settle(ports, outcome.position ?? (await ports.log.head()), reads)
  if (outcome.position !== null) caused(c, { position: outcome.position })
  const found = lookUp(request)
  return found === undefined ? recorded(request, status, headers) : answer(found, status, headers)
}

/** What is shown of a schedule that was just recorded where this node's view does not hold it in time; its tag is not known. */
const recorded = async (request: Request, status: number, headers: Readonly<Record<string, string>>): Promise<Reply> => {
  const {
    ports,
    known,
    params: { name = '' },
  } = request
  const { state } = await ports.executor.load(schedule as never, scheduleStream(keyOf(name)))
  const found = state as ScheduleState
  if (found.status === 'absent') throw unknownSchedule(request)
  const { uid, definition, paused } = found
  const { input, ...timing } = definition
  const now = known.now()
  const standing = { uid, timing, anchor: now, since: now, handled: null, firedAt: null }
  const shown = { name, definition: timing, input: masked(input as JsonValue), paused, standing, now }
  return json(scheduleResource(shown), status, headers)
}

const createSchedule = nativeRoute({
  method: 'post',
  path: '/v1/schedules',
  reads,
  summary: 'Create a schedule',
  description:
    'Exactly one of `cron`, `everyMs` and `at` says when. Each slot becomes an operation with `schedule` and `slot`, once, whatever happens.',
  tag: 'schedules',
  scope: 'v1:write',
  body: NewSchedule,
  examples: {
    'Each night at half past two in Berlin': {
      ...{ name: 'nightly', kind: 'probe', input: { echo: 'good night' } },
      ...{ cron: '30 2 * * *', timeZone: 'Europe/Berlin' },
    },
    'Every minute, one after the other': { name: 'often', kind: 'probe', input: {}, everyMs: 60_000, overlap: 'queue' },
    Once: { name: 'once', kind: 'probe', input: {}, at: '2030-01-01T00:00:00.000Z' },
  },
  answers: {
    201: { description: 'Created; `Location` names it', ...shown },
    ...problems({
      400: 'A member is wrong, or the kind is unknown, or it does not take this input',
      403: 'The scope v1:write is missing, the kind cannot be submitted here, or a page of a foreign origin sent the request',
      409: 'There is a schedule of this name, or the same Idempotency-Key is being processed',
    }),
  },
  handle: async (request) => {
    const { c, ports, body } = request
    const { name, ...wanted } = body
    const outcome = await ports.schedules.create(keyOf(name), wanted, requestContext(c))
    return written({ ...request, params: { name } }, outcome, 201, { Location: `/v1/schedules/${encodeURIComponent(name)}` })
  },
})

const listSchedules = nativeRoute({
  method: 'get',
  path: '/v1/schedules',
  reads,
  summary: 'List schedules',
  tag: 'schedules',
  scope: 'v1:read',
  query: z.object({ limit: limit(), cursor }),
  answers: {
    200: { description: 'A page of schedules, by name', schema: listOf(ScheduleDocument) },
    ...problems({ 400: 'A parameter is wrong' }),
  },
  handle: async ({ c, ports, known, query }) => {
    const after = String(decodeCursor(query.cursor, ['string'])?.[0] ?? '')
    const rows = scheduleQueries(known.views('schedules')).list(after, query.limit + 1)
    // Ten times of a thousand schedules take longer than others should wait; the rows are those of this moment.
    caused(c, { position: known.position() })
    const now = known.now()
    const pace = createPace(ports.clock)
    const items = []
    for (const row of rows.slice(0, query.limit)) {
      items.push(row.shown(now).resource)
      await pace.rest()
    }
    const last = items.at(-1)
    return json({ items, next: rows.length > query.limit && last !== undefined ? encodeCursor([last.name], known) : null })
  },
})

const getSchedule = nativeRoute({
  method: 'get',
  path: '/v1/schedules/{name}',
  reads,
  summary: 'Get a schedule',
  tag: 'schedules',
  scope: 'v1:read',
  params,
  headers: { 'If-None-Match': 'ETag that the client has' },
  answers: {
    200: { description: 'The schedule', ...shown },
    304: { description: 'Unchanged: it still has the ETag of `If-None-Match`' },
    ...problems(unknownName),
  },
  handle: (request) => {
    const found = find(request)
    return isKnown(headerOf(request.c, 'if-none-match'), found.version)
      ? { status: 304, headers: { ETag: etag(found.version) }, body: null }
      : answer(found)
  },
})

const replaceSchedule = nativeRoute({
  method: 'put',
  path: '/v1/schedules/{name}',
  reads,
  summary: 'Replace a schedule',
  description: 'Members that are left out have their defaults again. What is the same already is not recorded.',
  tag: 'schedules',
  scope: 'v1:write',
  headers: { 'If-Match': ifMatch },
  params,
  body: ReplacedSchedule,
  examples: { 'An hour later': { kind: 'probe', input: {}, cron: '30 3 * * *', timeZone: 'Europe/Berlin' } },
  answers: {
    200: { description: 'Replaced', ...shown },
    ...problems({
      400: 'A member is wrong, or the kind is unknown, or it does not take this input',
      403: 'The scope v1:write is missing, the kind cannot be submitted here, or a page of a foreign origin sent the request',
      ...unknownName,
      412: 'It has another ETag',
    }),
  },
  handle: async (request) => {
    const {
      c,
      ports,
      params: { name = '' },
      body,
    } = request
    const { name: given = name, ...wanted } = body
    if (given !== name)
      throw new Problem('invalid', 'the name in the body is another one than in the path', {
        errors: [{ pointer: '/name', message: 'must be the name in the path, or absent' }],
      })
    return written(request, await ports.schedules.replace(keyOf(name), wanted, requestContext(c), await pinOf(request)))
  },
})

const deleteSchedule = ({ operationReads }: RouteTools): NativeRoute =>
  nativeRoute({
    method: 'delete',
    path: '/v1/schedules/{name}',
    reads: [...reads, 'secrets', ...operationReads],
    summary: 'Delete a schedule',
    description: 'Its name is free again, and its secrets are forgotten, also those of operations that it has fired.',
    tag: 'schedules',
    scope: 'v1:write',
    headers: { 'If-Match': ifMatch },
    params,
    answers: {
      204: { description: 'Deleted' },
      ...problems({ ...unknownName, 412: 'It has another ETag' }),
    },
    handle: async (request) => {
      const { c, ports, known, params } = request
      const pin = await pinOf(request)
      const found = lookUp(request)
      const subject = found && secretQueries(known.views('secrets')).bySubject(scheduleSubject(found.uid))
      const running = (subject?.usedBy ?? []).filter((id) => {
        const state = ports.operations(known).byId(id)?.state
        return state === 'running' || state === 'cancelling'
      })
      const use = subject && { events: subject.events, running }
      const outcome = await ports.schedules.remove(keyOf(params.name), requestContext(c), { ...pin, use })
      // Repeated after a crash, it may have been deleted by this very request.
      if (outcome.refused !== undefined && !(c.repeated && outcome.refused.reason === 'unknown-schedule'))
        throw answerTo(answers, outcome.refused, request)
      const position = outcome.refused === undefined ? outcome.position : null
      if (position !== null) caused(c, { position })
      await settle(ports, position, reads)
      return { status: 204, headers: {}, body: null }
    },
  })

const pauseSchedule = nativeRoute({
  method: 'post',
  path: '/v1/schedules/{name}/pause',
  reads,
  summary: 'Pause a schedule',
  description: 'Nothing is fired until it is resumed. Pausing what is paused changes nothing.',
  tag: 'schedules',
  scope: 'v1:write',
  params,
  answers: { 200: { description: 'It is paused', ...shown }, ...problems(unknownName) },
  handle: async (request) =>
    written(request, await request.ports.schedules.pause(keyOf(request.params.name), requestContext(request.c))),
})

const resumeSchedule = nativeRoute({
  method: 'post',
  path: '/v1/schedules/{name}/resume',
  reads,
  summary: 'Resume a schedule',
  description: 'Slots that came while it was paused are not fired. Resuming what is not paused changes nothing.',
  tag: 'schedules',
  scope: 'v1:write',
  params,
  answers: { 200: { description: 'It is not paused', ...shown }, ...problems(unknownName) },
  handle: async (request) =>
    written(request, await request.ports.schedules.resume(keyOf(request.params.name), requestContext(request.c))),
})

const runNow = (tools: RouteTools): NativeRoute =>
  nativeRoute({
    method: 'post',
    path: '/v1/schedules/{name}/run-now',
    reads: [...reads, ...tools.operationReads],
    summary: 'Fire a schedule now',
    description:
      'Asks for an operation whose `slot` is this moment, whatever `overlap` and `paused` say. `Prefer: wait=N` works as for submitting.',
    tag: 'schedules',
    scope: 'v1:write',
    headers: { Prefer: '`wait=N`: answer when it has ended, after N seconds at the latest' },
    params,
    answers: {
      200: { description: 'It ended within the preferred wait', schema: OperationDocument },
      202: { description: 'Accepted; `Location` names the operation', schema: OperationDocument },
      ...problems({
        400: 'Its kind is unknown by now, or does not take its input',
        ...unknownName,
        409: 'A secret was forgotten',
      }),
    },
    handle: async (request) => {
      const { c, ports, params } = request
      const result = await ports.schedules.runNow(keyOf(params.name), requestContext(c))
      if (result.refused !== undefined) throw answerTo(answers, result.refused, request)
      await settle(ports, result.position, reads)
      return accepted(c, ports, tools, { ...result, kind: lookUp(request)?.resource.kind ?? '' })
    },
  })

/** Source: native contract, section 11. */
export const scheduleRoutes = (tools: RouteTools): readonly NativeRoute[] => [
  createSchedule,
  listSchedules,
  getSchedule,
  replaceSchedule,
  deleteSchedule(tools),
  pauseSchedule,
  resumeSchedule,
  runNow(tools),
]
