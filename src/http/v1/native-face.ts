import { z } from 'zod'
import { Damaged, Oversize, SecretForgotten, Unacceptable, Unavailable } from '../../lib/errors.ts'
import { schemaProblems } from '../../lib/schema-problems.ts'
import type { Face, FaceRoute } from '../faces/face.ts'
import type { HttpContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import type { DocumentedRoute, NativeRoute } from '../faces/native-route.ts'
import { readJsonObject } from '../reading/body.ts'
import { noQuery, parseQuery } from '../reading/query.ts'
import { forbidden, Problem, problemAnswer, unauthenticated } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import { problems } from './schemas.ts'

/** First segments that belong to the native API, whatever follows. */
const segments = new Set(['v1', 'openapi.json', 'docs', 'metrics', 'livez', 'readyz'])

/** Answered whatever state the server is in. */
const alwaysOpen = new Set(['/livez', '/readyz', '/docs', '/metrics'])

/** A face's `Access` is read or write; a native route names its whole scope, null where it is open. */
export interface NativeFace extends Omit<Face, 'access'> {
  readonly routes: readonly (FaceRoute & { readonly scope: string | null; readonly pattern: string })[]
}

type RequestOf = Parameters<NativeRoute['handle']>[0]

interface Ready {
  readonly route: NativeRoute
  /** What no parameters at all stand for. */
  readonly usualQuery: () => RequestOf['query']
}

const once = <Value>(make: () => Value): (() => Value) => {
  let made: { readonly value: Value } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/** The form in which `/v1/operations/{id}` is matched. */
const matched = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1')

/** The native API as a face like the others: problems for everything that goes wrong. Source: native contract, sections 1 to 6. */
export const nativeFace = ({
  ports,
  routes,
}: {
  readonly ports: HttpPorts
  readonly routes: readonly NativeRoute[]
}): NativeFace => {
  return {
    name: 'v1',
    owns: (path) => {
      const end = path.indexOf('/', 1)
      return segments.has(path.slice(1, end < 0 ? undefined : end))
    },
    routes: routes.map((route) => {
      const ready = { route, usualQuery: once(() => parseQuery(route.query ?? noQuery, new URLSearchParams())) }
      return {
        method: route.method.toUpperCase(),
        path: matched(route.path),
        pattern: route.path,
        scope: route.scope,
        reads: route.reads,
        handle: (c, params) => handle(c, params, ready, ports),
        receive: receiverOf(route, ports),
      }
    }),
    alwaysAnswers: (_method, path) => alwaysOpen.has(path) || path.startsWith('/docs/'),
    notFound: (c) => {
      throw new Problem('not-found', `there is no route ${c.sentPath}`)
    },
    methodNotAllowed: (c, allow) => {
      const headers = { Allow: allow.join(', ') }
      if (c.method === 'OPTIONS') return { status: 204, headers, body: null }
      throw new Problem('method-not-allowed', `${c.method} is not one of ${headers.Allow}`, { headers })
    },
    unauthorised: (c, reason, scope) => problemAnswer(reason === 'forbidden' ? forbidden(scope) : unauthenticated(), c.sentPath),
    failed: (c, error) => {
      const { sentPath: path } = c
      if (error instanceof Problem) return problemAnswer(error, path)
      if (error instanceof Damaged) return problemAnswer(new Problem('damaged', error.message), path)
      if (error instanceof Unavailable) return problemAnswer(new Problem('overloaded', 'the log does not answer'), path)
      if (error instanceof SecretForgotten) return problemAnswer(new Problem('secret-forgotten', error.message), path)
      // The body was within its limit, the event made of it is not: a log on a server has a limit of its own.
      if (error instanceof Oversize)
        return problemAnswer(new Problem('too-large', 'the log does not accept a request of this size'), path)
      if (error instanceof Unacceptable) return problemAnswer(new Problem('invalid', error.message), path)
      return problemAnswer(new Problem('internal', 'the server failed; its log says more'), path)
    },
  }
}

const handle = (
  c: HttpContext,
  params: RequestOf['params'],
  { route, usualQuery }: Ready,
  ports: HttpPorts,
): Reply | Promise<Reply> => {
  const query = c.query === '' ? usualQuery() : parseQuery(route.query ?? noQuery, withoutMoment(c.query, route))
  const { known } = c
  return route.method === 'get'
    ? route.handle({ c, ports, known, params, query, body: undefined })
    : write(c, route, { c, ports, known, params, query })
}

/** The query is judged first: a request that is refused anyway shall not send gigabytes. */
const receiverOf = (route: NativeRoute, ports: HttpPorts): FaceRoute['receive'] => {
  const { receive } = route
  if (receive === undefined) return undefined
  return async (c) => {
    parseQuery(route.query ?? noQuery, new URLSearchParams(c.query))
    return receive(c, ports)
  }
}

/** `asOf` is for the server, not for the route. */
const withoutMoment = (query: string, { method, reads }: NativeRoute): URLSearchParams => {
  const given = new URLSearchParams(query)
  if (method === 'get' && reads !== undefined) given.delete('asOf')
  return given
}

const write = async (c: HttpContext, route: NativeRoute, request: Omit<RequestOf, 'body'>): Promise<Reply> => {
  const { body = noBody, optionalBody = route.body === undefined } = route
  const given = route.receive === undefined ? validated(body, await readJsonObject(c, optionalBody)) : undefined
  const answer = await route.handle({ ...request, body: given })
  const { caused } = c
  if (answer.status < 400) caused.position ??= await request.ports.log.head()
  return answer
}

/** What a route without a body of its own takes: none, or an empty object. */
const noBody = z.strictObject({})

const validated = (schema: z.ZodType, given: unknown): unknown => {
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  throw new Problem('invalid', 'the body is not valid', { errors: schemaProblems(parsed.error) })
}

const asOf = z.string().min(1).max(100).optional().meta({
  description: 'Answers as of a past moment: a position, a time (RFC 3339) or the id of an event',
})

const usualHeaders = {
  read: { 'Event-Position': 'Reply from views that hold this position; 503 where they do not within 2 s' },
  write: { 'Idempotency-Key': '1 to 255 visible characters; the same request with the same key is answered once and again' },
}
/** Problems that any route may answer with, beside its own. */
const usualProblems = ({ scope, method, body, reads }: NativeRoute): NativeRoute['answers'] => ({
  ...problems({
    400: 'A parameter, a header or the body is unknown or malformed',
    421: 'The server without credentials was reached under a name that is not its own',
    431: 'The headers are too large',
    500: 'The server failed; its log says more',
    503: 'The server starts, goes down, is overloaded or has not caught up',
  }),
  ...(scope === null
    ? {}
    : problems({ 401: 'Credentials are missing or wrong', 403: `The scope ${scope} is missing, or a foreign page asked` })),
  ...(method === 'get' && reads !== undefined ? problems({ 404: 'There is nothing here, or no event with the id in asOf' }) : {}),
  ...(method === 'get'
    ? {}
    : problems({
        408: 'The body took too long to arrive',
        409: 'The same Idempotency-Key is being processed right now',
        413: 'The body is too large',
        415: body === undefined ? 'The body is not JSON' : 'The body is not declared as application/json',
        422: 'The Idempotency-Key was used for a different request',
      })),
})

/** The route with what every native route has, for the OpenAPI document. */
export const documented = (route: NativeRoute): DocumentedRoute => ({
  ...route,
  ...(route.method === 'get' && route.reads !== undefined ? { query: (route.query ?? noQuery).extend({ asOf }) } : {}),
  headers: { ...usualHeaders[route.method === 'get' ? 'read' : 'write'], ...route.headers },
  answers: { ...usualProblems(route), ...route.answers },
})
