import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { SmartRouter } from 'hono/router/smart-router'
import { TrieRouter } from 'hono/router/trie-router'
import { Unavailable } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { allows, type Principal } from '../stores/credentials.ts'
import type { RequestState } from './context.ts'
import { extraHeaders } from './extra-headers.ts'
import type { Face, HttpContext, HttpEnv } from './face.ts'
import { createIdempotency, idempotencyKey } from './idempotency.ts'
import { withHeaders } from './json.ts'
import type { Metrics } from './metrics.ts'
import type { NativeFace } from './native.ts'
import type { HttpPorts } from './ports.ts'
import { parsePosition, waitForPosition } from './position.ts'
import { Problem } from './problem.ts'
import { routeTable, segmentRouter } from './routes-of.ts'
import { continueTrace } from './trace.ts'

export type Fetch = (request: Request, env?: Partial<HttpBindings>) => Response | Promise<Response>

export const anonymous: Principal = { name: 'anonymous', scopes: ['*'] }
/** Who sent no credentials, or wrong ones, where they are demanded. */
const nobody: Principal = { name: 'anonymous', scopes: [] }

const defaultMostAtATime = 20_000
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

interface Owner {
  readonly face: Omit<Face, 'access'>
  readonly native: boolean
  /** Null: open. Undefined: there is no such route. */
  scopeOf(method: string, path: string): string | null | undefined
  fetch(request: Request, env: HttpEnv['Bindings']): Response | Promise<Response>
}

type Answering = (c: HttpContext) => Response | Promise<Response>

/**
 * Sends each request to the face that its path belongs to, after the checks that all faces share. What need not wait is answered in
 * the same turn: a promise on the way makes the answer leave @hono/node-server's fast path (2 µs a request).
 */
export const createDispatch = ({
  ports,
  native,
  faces,
  metrics,
  mostAtATime = defaultMostAtATime,
}: {
  readonly ports: HttpPorts
  readonly native: NativeFace
  readonly faces: readonly Face[]
  readonly metrics: Metrics
  /** More requests than this at a time are refused; open event streams do not count. Default 20,000. */
  readonly mostAtATime?: number | undefined
}): Fetch => {
  const { credentials, logger, settings } = ports
  const headersOf = (state: RequestState): Record<string, string> | undefined =>
    state.command.actor.face === null || settings.extraHeaders ? extraHeaders(state) : undefined
  const idempotency = createIdempotency({ executor: ports.executor, blobs: ports.blobs, extraHeaders: headersOf })
  const nativeOwner = owner({ face: native, native: true, scopeOf: native.scopeOf })
  const owners = faces.map((face) =>
    owner({
      face,
      native: false,
      scopeOf: (method, path) => {
        const access = face.access(method, path)
        return access === 'open' ? null : `${face.name}:${access}`
      },
    }),
  )
  const fallback = owners.find(({ face }) => face.fallback === true) ?? nativeOwner
  const ownerOf = (path: string): Owner =>
    native.owns(path) ? nativeOwner : (owners.find(({ face }) => face.owns(path)) ?? fallback)
  let atATime = 0

  return (request, env = {}) => {
    const began = performance.now()
    const path = pathOf(request.url)
    const to = ownerOf(path)
    const serveAs = (principal: Principal | null, fault?: unknown) =>
      serve(to, request, env, { path, began, traceparent, principal, fault })
    const traceparent = continueTrace(request.headers.get('traceparent') ?? undefined)
    if (!credentials.configured()) return serveAs(anonymous)
    // Credentials that cannot be read let nobody in; the face says so in its own words.
    return credentials
      .authenticate(request.headers.get('authorization') ?? undefined)
      .then(serveAs, (fault) => serveAs(null, fault))
  }

  function serve(
    { face, fetch, native: isNative }: Owner,
    request: Request,
    { incoming, outgoing }: Partial<HttpBindings>,
    {
      path,
      began,
      traceparent,
      principal,
      fault,
    }: {
      readonly path: string
      readonly began: number
      readonly traceparent: string
      readonly principal: Principal | null
      readonly fault: unknown
    },
  ): Response | Promise<Response> {
    const id = newId()
    const who = principal ?? nobody
    const state: RequestState = {
      path: incoming?.url === undefined ? path : beforeQuery(incoming.url),
      method: request.method,
      principal: who,
      authenticated: principal !== null,
      command: {
        commandId: id,
        correlationId: id,
        actor: { principal: who.name, face: isNative ? null : face.name, address: addressOf(incoming?.socket.remoteAddress) },
        traceparent,
      },
      repeated: false,
      maxBodyBytes: face.maxBodyBytes?.(request.method, path) ?? settings.maxBodyBytes,
      fault: atATime >= mostAtATime ? new Problem('overloaded', 'too many requests at a time') : fault,
      caused: {},
      route: null,
    }
    const finish = (response: Response): Response => {
      atATime--
      const { status } = response
      const { method, route } = state
      metrics.answered({ face: face.name, method, route, status, seconds: (performance.now() - began) / 1000 })
      if (logger.isLevelEnabled('debug'))
        logger.debug({ method, path: state.path, status, principal: who.name, traceparent }, 'answered')
      if (response === RESPONSE_ALREADY_SENT) return response
      const added = headersOf(state)
      if (added === undefined) return response
      if (isNative) added['Cache-Control'] = 'no-cache'
      return withHeaders(response, added)
    }
    const fail = (error: unknown): never => {
      atATime--
      throw error
    }
    atATime++
    let response: Response | Promise<Response>
    try {
      response = fetch(request, { ...(incoming && { incoming }), ...(outgoing && { outgoing }), state })
    } catch (error) {
      return fail(error)
    }
    return response instanceof Promise ? response.then(finish, fail) : finish(response)
  }

  /** The routes of a face, each with the checks before it. */
  function owner({ face, native: isNative, scopeOf }: Omit<Owner, 'fetch'>): Owner {
    const app = new Hono<HttpEnv>({ router: new SmartRouter({ routers: [segmentRouter(), new TrieRouter()] }) })
    const failed = (error: unknown, c: HttpContext): Response | Promise<Response> => {
      if (error instanceof Unavailable) logger.warn({ err: error, path: c.env.state.path }, 'a store did not answer')
      else if (!(error instanceof Problem)) logger.error({ err: error, path: c.env.state.path }, 'a request failed')
      return face.failed(c, error)
    }
    const guarded = guard({ face, native: isNative, scopeOf, failed })
    for (const { method, path, handler } of face.app.routes) app.on(method, path, guarded(handler as Answering))
    const table = routeTable(face.app.routes.map(({ method, path }) => ({ method, path, route: true })))
    app.notFound(
      guarded((c) => {
        const allow = table.allow(c.req.path)
        return allow.length > 0 && !(allow as readonly string[]).includes(c.req.raw.method === 'OPTIONS' ? '' : c.req.raw.method)
          ? face.methodNotAllowed(c, allow)
          : face.notFound(c)
      }),
    )
    app.onError(failed)
    return { face, native: isNative, scopeOf, fetch: (request, env) => app.fetch(request, env) }
  }

  /** What is checked before a route sees the request: state of the server, access, the position to wait for, the key. */
  function guard({
    face,
    native: isNative,
    scopeOf,
    failed,
  }: Omit<Owner, 'fetch'> & {
    readonly failed: (error: unknown, c: HttpContext) => Response | Promise<Response>
  }): (answering: Answering) => Answering {
    return (answering) => (c) => {
      const { state } = c.env
      const { method, path } = c.req
      const safe = safeMethods.has(method)
      if (face.alwaysAnswers?.(method, path) !== true) refuseByState(state, safe)
      const scope = scopeOf(method, path)
      if (scope !== null) {
        if (!state.authenticated && (isNative || scope !== undefined))
          return face.unauthorised(c, 'unauthenticated', scope ?? `${face.name}:read`)
        if (scope !== undefined && !allows(state.principal, scope)) return face.unauthorised(c, 'forbidden', scope)
      }
      if (safe) {
        const position = c.req.header('event-position')
        return position === undefined ? answering(c) : whenReached(position).then(() => answering(c))
      }
      const key = scope === undefined ? undefined : idempotencyKey(c.req.header('idempotency-key'))
      if (key === undefined) return answering(c)
      return idempotency.once(c, key, async () => {
        try {
          return { response: await answering(c), error: undefined }
        } catch (error) {
          return { response: await failed(error, c), error }
        }
      })
    }
  }

  async function whenReached(position: string): Promise<void> {
    await waitForPosition(ports, await parsePosition(ports, position, 'Event-Position'))
  }

  function refuseByState(state: RequestState, safe: boolean): void {
    if (state.fault !== undefined) throw state.fault
    switch (ports.health.state()) {
      case 'starting':
        throw new Problem('not-caught-up', 'the server is starting: its views are catching up')
      case 'draining':
        if (!safe)
          throw new Problem('draining', 'the server is going down and takes no new work', { headers: { Connection: 'close' } })
    }
  }
}

/** The path as routes see it: dot segments resolved, percent-encoding kept. */
const pathOf = (url: string): string => {
  const start = url.indexOf('/', url.indexOf('//') + 2)
  const end = url.search(/[?#]/)
  return start < 0 ? '/' : url.slice(start, end < 0 ? undefined : end)
}

const beforeQuery = (url: string): string => {
  const end = url.indexOf('?')
  return end < 0 ? url : url.slice(0, end)
}

/** An IPv4 address in its IPv6 clothes is shown as IPv4. */
const addressOf = (address: string | undefined): string | null => address?.replace(/^::ffff:(?=\d+\.)/i, '') ?? null
