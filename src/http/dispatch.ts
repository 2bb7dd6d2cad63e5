import type { HttpBindings } from '@hono/node-server'
import { Hono, type MiddlewareHandler } from 'hono'
import { Unavailable } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { allows, type Principal } from '../stores/credentials.ts'
import type { RequestState } from './context.ts'
import { extraHeaders } from './extra-headers.ts'
import type { Face, HttpEnv } from './face.ts'
import { createIdempotency, idempotencyKey } from './idempotency.ts'
import type { Metrics } from './metrics.ts'
import type { NativeFace } from './native.ts'
import type { HttpPorts } from './ports.ts'
import { parsePosition, waitForPosition } from './position.ts'
import { Problem } from './problem.ts'
import { routeTable } from './routes-of.ts'
import { continueTrace } from './trace.ts'

export type Fetch = (request: Request, env?: Partial<HttpBindings>) => Promise<Response>

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

/** Sends each request to the face that its path belongs to, after the checks that all faces share. */
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
  const idempotency = createIdempotency({
    executor: ports.executor,
    blobs: ports.blobs,
    extraHeaders: (headers, state) =>
      state.command.actor.face === null || settings.extraHeaders ? extraHeaders(headers, state) : undefined,
  })
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

  return async (request, env = {}) => {
    const began = performance.now()
    const path = pathOf(request.url)
    const { face, fetch, native: isNative } = ownerOf(path)
    const id = newId()
    const traceparent = continueTrace(request.headers.get('traceparent') ?? undefined)
    const authorization = request.headers.get('authorization') ?? undefined
    // Credentials that cannot be read let nobody in; the face says so in its own words.
    let fault: unknown
    const principal = !credentials.configured()
      ? anonymous
      : await credentials.authenticate(authorization).catch((error: unknown) => {
          fault = error
          return null
        })
    const state: RequestState = {
      path: env.incoming?.url?.split('?', 1)[0] ?? path,
      method: request.method,
      principal: principal ?? nobody,
      authenticated: principal !== null,
      command: {
        commandId: id,
        correlationId: id,
        actor: {
          principal: (principal ?? nobody).name,
          face: isNative ? null : face.name,
          address: addressOf(env.incoming?.socket.remoteAddress),
        },
        traceparent,
      },
      repeated: false,
      maxBodyBytes: face.maxBodyBytes?.(request.method, path) ?? settings.maxBodyBytes,
      fault: atATime >= mostAtATime ? new Problem('overloaded', 'too many requests at a time') : fault,
      caused: {},
      route: null,
    }
    atATime++
    try {
      const response = await fetch(request, { ...env, state })
      const { status } = response
      metrics.answered({
        face: face.name,
        method: state.method,
        route: state.route,
        status,
        seconds: (performance.now() - began) / 1000,
      })
      if (logger.isLevelEnabled('debug'))
        logger.debug({ method: state.method, path: state.path, status, principal: state.principal.name, traceparent }, 'answered')
      if (response.headers.has('x-hono-already-sent')) return response
      if (isNative || settings.extraHeaders) extraHeaders(response.headers, state)
      if (isNative && !response.headers.has('cache-control')) response.headers.set('Cache-Control', 'no-cache')
      return response
    } finally {
      atATime--
    }
  }

  function owner({ face, native: isNative, scopeOf }: Omit<Owner, 'fetch'>): Owner {
    const app = new Hono<HttpEnv>()
    app.use('*', guard({ face, native: isNative, scopeOf }))
    app.route('/', face.app)
    const table = routeTable(
      face.app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => ({ method, path, route: true })),
    )
    app.notFound((c) => {
      const allow = table.allow(c.req.path)
      return allow.length > 0 && !(allow as readonly string[]).includes(c.req.raw.method === 'OPTIONS' ? '' : c.req.raw.method)
        ? face.methodNotAllowed(c, allow)
        : face.notFound(c)
    })
    app.onError((error, c) => {
      if (error instanceof Unavailable) logger.warn({ err: error, path: c.env.state.path }, 'a store did not answer')
      else if (!(error instanceof Problem)) logger.error({ err: error, path: c.env.state.path }, 'a request failed')
      return face.failed(c, error)
    })
    return { face, native: isNative, scopeOf, fetch: (request, env) => app.fetch(request, env) }
  }

  /** What is checked before a route sees the request: state of the server, access, the position to wait for, the key. */
  function guard({ face, native: isNative, scopeOf }: Omit<Owner, 'fetch'>): MiddlewareHandler<HttpEnv> {
    return async (c, next) => {
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
      const position = c.req.header('event-position')
      if (position !== undefined && safe) await waitForPosition(ports, await parsePosition(ports, position, 'Event-Position'))
      const key = safe || scope === undefined ? undefined : idempotencyKey(c.req.header('idempotency-key'))
      if (key === undefined) return next()
      const response = await idempotency.once(c, key, async () => {
        await next()
        return { response: c.res, error: c.error }
      })
      c.res = undefined
      c.res = response
    }
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

/** An IPv4 address in its IPv6 clothes is shown as IPv4. */
const addressOf = (address: string | undefined): string | null => address?.replace(/^::ffff:(?=\d+\.)/i, '') ?? null
