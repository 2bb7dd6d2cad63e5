import { RevisionConflict, Unavailable } from '../../lib/errors.ts'
import { ViewDamaged } from '../../projections/engine/view-file.ts'
import type { Known } from '../../projections/known.ts'
import { allows, type Principal } from '../../stores/credentials/credentials.ts'
import { type Arrival, decodedParam, headerOf } from '../faces/arrival.ts'
import type { Face, FaceRoute } from '../faces/face.ts'
import type { HttpContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { createAsOf, isForEver } from '../reading/as-of.ts'
import { createBodyBudget } from '../reading/body-budget.ts'
import { parsePosition, waitForPosition } from '../reading/event-position.ts'
import { Problem } from '../replies/problem.ts'
import { alreadySent, type Reply, withHeaders } from '../replies/reply.ts'
import type { NativeFace } from '../v1/native-face.ts'
import { createAnonymousAccess } from './anonymous-access.ts'
import { createClientAddress } from './client-address.ts'
import { extraHeaders } from './extra-headers.ts'
import { createIdempotency, idempotencyKey } from './idempotency-key.ts'
import type { Meter, Metrics } from './metrics.ts'
import { type Match, type RouteTable, routeTable } from './route-table.ts'
import { continueTrace } from './traceparent.ts'

export type Dispatch = (arrival: Arrival) => Reply | Promise<Reply>

export const anonymous: Principal = { name: 'anonymous', scopes: ['*'] }
/** Who sent no credentials, or wrong ones, where they are demanded. */
const nobody: Principal = { name: 'anonymous', scopes: [] }

const defaultMostAtATime = 20_000
/** An answer about a position never changes. */
const forEver = 'private, max-age=31536000, immutable'
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** A route with the meter of its answers. */
interface Metered {
  readonly handle: FaceRoute['handle']
  /** Of a native route: null where it is open. */
  readonly scope: string | null | undefined
  readonly meter: Meter
  readonly reads: readonly string[] | undefined
  readonly isRead: boolean
  readonly receive: FaceRoute['receive']
  /** What it may read of the present. */
  readonly present: Known
}

interface Owner {
  readonly face: Omit<Face, 'access' | 'routes'>
  readonly isNative: boolean
  readonly table: RouteTable<Metered>
  /** For what meets no route. */
  readonly meter: Meter
  /** Null: open. Undefined: there is no such route. */
  scopeOf(c: HttpContext, route: Metered | undefined): string | null | undefined
}

/**
 * Sends each request to the face that its path belongs to, after the checks that all faces share. What need not wait is answered in
 * the same turn.
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
}): Dispatch => {
  const { credentials, logger, settings, health } = ports
  const headersFor = (c: HttpContext): Record<string, string> | undefined =>
    c.face === null || settings.extraHeaders ? extraHeaders(c) : undefined
  const idempotency = createIdempotency({
    executor: ports.executor,
    blobs: ports.blobs,
    seal: ports.seal,
    unseal: ports.unseal,
    clock: ports.clock,
    sharesLog: settings.sharesLog,
    extraHeaders: headersFor,
  })
  const bodies = createBodyBudget(settings.maxBodiesBytes)
  const asOf = createAsOf(ports)
  const nothing = ports.knowledge.present([])
  const anonymousAccess = createAnonymousAccess(settings)
  const clientAddress = createClientAddress(settings.trustedProxies)
  const nativeOwner: Owner = {
    ...ownerOf(native, native.routes),
    isNative: true,
    scopeOf: ({ method }, route) => (method === 'OPTIONS' ? null : route?.scope),
  }
  const owners = faces.map(
    (face): Owner => ({
      ...ownerOf(face, face.routes),
      isNative: false,
      scopeOf: ({ method, path }) => {
        const access = face.access(method, path)
        return access === 'open' ? null : `${face.name}:${access}`
      },
    }),
  )
  const fallback = owners.find(({ face }) => face.fallback === true) ?? nativeOwner
  const ownerOfPath = (path: string): Owner =>
    native.owns(path) ? nativeOwner : (owners.find(({ face }) => face.owns(path)) ?? fallback)
  let atATime = 0

  return (arrival) => {
    const began = performance.now()
    const owner = ownerOfPath(arrival.encodedPath)
    if (!credentials.configured()) return serve(arrival, owner, { began, principal: anonymous, fault: undefined })
    // The face's own credentials come first: they are asked when the checks that cost nothing are done.
    if (owner.face.authenticate !== undefined) return serve(arrival, owner, { began, principal: null, fault: undefined })
    // Credentials that cannot be read let nobody in; the face says so in its own words.
    return authenticated(arrival).then(
      (principal) => serve(arrival, owner, { began, principal, fault: undefined }),
      (fault) => serve(arrival, owner, { began, principal: null, fault }),
    )
  }

  /** What a client says of itself counts before what its certificate says. */
  async function authenticated(arrival: Arrival): Promise<Principal | null> {
    const { headers, clientCertificate, method } = arrival
    const { authorization } = headers
    if (authorization !== undefined || clientCertificate?.verified !== true) return credentials.authenticate(authorization)
    // A browser shows its certificate whichever page sends the request.
    if (!safeMethods.has(method) && anonymousAccess.isForeign(arrival)) return null
    return credentials.byCertificate(clientCertificate.commonName)
  }

  function serve(
    came: Arrival,
    owner: Owner,
    { began, principal, fault }: { readonly began: number; readonly principal: Principal | null; readonly fault: unknown },
  ): Reply | Promise<Reply> {
    const { face, isNative, table } = owner
    const arrival = face.pathOf === undefined ? came : { ...came, path: face.pathOf(came.path) }
    const { method, path } = arrival
    const c: HttpContext = {
      ...arrival,
      face: isNative ? null : face.name,
      principal: principal ?? nobody,
      authenticated: principal !== null,
      clientAddress,
      traceparent: continueTrace(headerOf(arrival, 'traceparent')),
      command: undefined,
      gone: undefined,
      repeated: false,
      maxBodyBytes: face.maxBodyBytes?.(method, path) ?? settings.maxBodyBytes,
      bodies,
      bodyIdleMs: settings.bodyIdleMs,
      clock: ports.clock,
      heldBytes: 0,
      known: nothing,
      caused: {},
      body: undefined,
      received: undefined,
    }
    const found = table.match(method, path)
    if (found !== undefined) c.known = found.route.present
    const finish = (made: Reply): Reply => {
      atATime--
      bodies.release(c)
      const durationMs = performance.now() - began
      const answer = face.answered === undefined ? made : seen(c, face, made, durationMs)
      const { status } = answer
      const meter = found?.route.meter ?? owner.meter
      meter(method, status, durationMs / 1000)
      if (logger.isLevelEnabled('debug'))
        logger.debug({ method, path: c.sentPath, status, principal: c.principal.name, traceparent: c.traceparent }, 'answered')
      return answer === alreadySent ? answer : finished(c, answer)
    }
    const fail = (error: unknown): never => {
      atATime--
      bodies.release(c)
      throw error
    }
    const refused = atATime >= mostAtATime ? new Problem('overloaded', 'too many requests at a time') : fault
    atATime++
    let answer: Reply | Promise<Reply>
    try {
      answer = checked(c, owner, found, refused)
    } catch (error) {
      answer = worded(c, owner, error)
    }
    if (!(answer instanceof Promise)) return finish(answer)
    return answer.then(finish, (error) => worded(c, owner, error).then(finish, fail))
  }

  /** With what the face adds to its answers. */
  function seen(c: HttpContext, face: Owner['face'], made: Reply, durationMs: number): Reply {
    try {
      const answer = face.answered?.(c, made, durationMs) ?? made
      return made === alreadySent ? made : answer
    } catch (error) {
      logger.error({ err: error, path: c.sentPath }, 'a face failed to look at an answer')
      return made
    }
  }

  /** With the headers that all answers have, and nothing behind them where the method is `HEAD`. */
  function finished(c: HttpContext, answer: Reply): Reply {
    const added = headersFor(c)
    if (added !== undefined && c.face === null) added['Cache-Control'] = 'no-cache'
    const shared = c.face === null || credentials.configured() ? answer : anonymousAccess.shared(c, answer)
    const whole = added === undefined ? shared : withHeaders(shared, added)
    return c.method === 'HEAD' ? { ...whole, body: null } : whole
  }

  /** A fault in the words of the face. */
  async function worded(c: HttpContext, { face }: Owner, error: unknown): Promise<Reply> {
    if (error instanceof RevisionConflict) {
      logger.warn({ err: error, path: c.sentPath }, 'other nodes changed the same stream on every try')
      return face.failed(c, new Problem('overloaded', 'other nodes are changing the same resource; try again'))
    }
    // The view has told it once, and is rebuilt.
    if (error instanceof ViewDamaged) return face.failed(c, new Problem('not-caught-up', error.message))
    if (error instanceof Unavailable) logger.warn({ err: error, path: c.sentPath }, 'a store did not answer')
    else if (!(error instanceof Problem)) logger.error({ err: error, path: c.sentPath }, 'a request failed')
    return face.failed(c, error)
  }

  /** What is checked before anybody looks at credentials: how the request came here, and the state of the server. */
  function checked(c: HttpContext, owner: Owner, found: Match<Metered> | undefined, fault: unknown): Reply | Promise<Reply> {
    const { face } = owner
    const { method } = c
    const safe = safeMethods.has(method)
    const { fault: misaddressed } = c.addressed
    if (misaddressed !== undefined) throw new Problem('invalid', misaddressed, { headers: { Connection: 'close' } })
    if (!credentials.configured()) anonymousAccess.check(c, safe)
    const isWell = fault === undefined && health.state() === 'ready'
    if (!isWell && face.alwaysAnswers?.(method, c.path) !== true) refuseByState(fault, safe)
    const scope = owner.scopeOf(c, found?.route)
    if (scope === null || face.authenticate === undefined) return admitted(c, owner, found, scope)
    return recognised(c, face).then(() => admitted(c, owner, found, scope))
  }

  /** Says who asks: by the face's own credentials, else by those of the server. */
  async function recognised(c: HttpContext, face: Owner['face']): Promise<void> {
    const own = await face.authenticate?.(c)
    if (own === undefined && !credentials.configured()) return
    const principal = own === undefined ? await authenticated(c) : own
    c.authenticated = principal !== null && principal !== 'refused'
    c.principal = principal === null || principal === 'refused' ? nobody : principal
  }

  /** What is checked once it is known who asks: the scope, the moment and the position that are asked for, the key. */
  function admitted(
    c: HttpContext,
    owner: Owner,
    found: Match<Metered> | undefined,
    scope: string | null | undefined,
  ): Reply | Promise<Reply> {
    const { face, isNative } = owner
    const safe = safeMethods.has(c.method)
    if (scope !== null) {
      if (!c.authenticated && (isNative || scope !== undefined))
        return face.unauthorised(c, 'unauthenticated', scope ?? `${face.name}:read`)
      if (scope !== undefined && !allows(c.principal, scope)) return face.unauthorised(c, 'forbidden', scope)
    }
    const reads = safe || found?.route.isRead === true
    const moment = asOf.asked(c)
    if (moment !== undefined && !reads) throw new Problem('moment-unknown', 'only GET and HEAD requests support a past moment')
    if (safe) {
      const position = headerOf(c, 'event-position')
      return position === undefined
        ? read(c, owner, found, moment)
        : whenReached(position).then(() => read(c, owner, found, moment))
    }
    if (reads) return read(c, owner, found, moment)
    if (found !== undefined && ports.executor.isBehind()) throw new Problem('overloaded', 'too many commands wait for the log')
    const key = scope === undefined ? undefined : idempotencyKey(headerOf(c, 'idempotency-key'))
    const receive = found?.route.receive
    return receive === undefined ? carriedOut(c, owner, found, key) : withBody(c, owner, found, key, receive)
  }

  /** Its body is in a store before its key is claimed: the fingerprint of the request names the bytes. */
  async function withBody(
    c: HttpContext,
    owner: Owner,
    found: Match<Metered> | undefined,
    key: string | undefined,
    receive: NonNullable<FaceRoute['receive']>,
  ): Promise<Reply> {
    const received = await receive(c)
    c.received = received
    try {
      return await carriedOut(c, owner, found, key)
    } finally {
      await received.discard()
    }
  }

  /** What changes something; under a key, once. */
  function carriedOut(
    c: HttpContext,
    owner: Owner,
    found: Match<Metered> | undefined,
    key: string | undefined,
  ): Reply | Promise<Reply> {
    if (key === undefined) return routed(c, owner, found)
    return idempotency.once(c, key, async () => {
      try {
        return { answer: await routed(c, owner, found), error: undefined }
      } catch (error) {
        return { answer: await worded(c, owner, error), error }
      }
    })
  }

  /** Reads of the present stand where the views do; the same question as of that position has the same answer. */
  function read(
    c: HttpContext,
    owner: Owner,
    found: Match<Metered> | undefined,
    moment: string | undefined,
  ): Reply | Promise<Reply> {
    const reads = found?.route.reads
    if (found === undefined || reads === undefined) return routed(c, owner, found)
    if (moment !== undefined)
      return asOf.during(c, moment, reads, async (known) => {
        c.known = known
        c.caused.position = known.asOf
        const answer = await routed(c, owner, found)
        return isForEver(moment) ? withHeaders(answer, { 'Cache-Control': forEver }) : answer
      })
    // What was not found was not found there, too.
    const stands = (): void => {
      if (reads.length > 0) c.caused.position ??= c.known.position()
    }
    const ready = ports.projections.together(reads)
    if (ready !== true)
      return Promise.resolve(ready)
        .then(() => routed(c, owner, found))
        .finally(stands)
    let answer: Reply | Promise<Reply>
    try {
      answer = routed(c, owner, found)
    } catch (error) {
      stands()
      throw error
    }
    if (answer instanceof Promise) return answer.finally(stands)
    stands()
    return answer
  }

  function routed(c: HttpContext, { face, table }: Owner, found: Match<Metered> | undefined): Reply | Promise<Reply> {
    if (found !== undefined) return found.route.handle(c, decodedParams(found.params, c.path))
    const allow = table.allow(c.path)
    return allow.length > 0 && (c.method === 'OPTIONS' || !allow.includes(c.method))
      ? face.methodNotAllowed(c, allow)
      : face.notFound(c)
  }

  async function whenReached(position: string): Promise<void> {
    await waitForPosition(ports, await parsePosition(ports, position, 'Event-Position'))
  }

  function refuseByState(fault: unknown, safe: boolean): void {
    if (fault !== undefined) throw fault
    switch (health.state()) {
      case 'starting':
        throw new Problem('not-caught-up', 'the server is starting: its views are reading the log')
      case 'draining':
        if (!safe)
          throw new Problem('draining', 'the server is shutting down and accepts no new work', {
            headers: { Connection: 'close' },
          })
    }
  }

  function ownerOf(
    face: Omit<Face, 'access' | 'routes'>,
    routes: readonly (FaceRoute & { readonly scope?: string | null; readonly pattern?: string })[],
  ) {
    const metered = routes.map(({ method, path, handle, scope, pattern = path, reads, isRead = false, receive }) => {
      const present = ports.knowledge.present(reads ?? [])
      return { method, path, route: { handle, scope, meter: metrics.meter(face.name, pattern), reads, isRead, receive, present } }
    })
    return { face, table: routeTable(metered, { head: face.head }), meter: metrics.meter(face.name, 'other') }
  }
}

const decodedParams = (params: Readonly<Record<string, string>>, path: string): Readonly<Record<string, string>> =>
  path.includes('%') ? Object.fromEntries(Object.entries(params).map(([name, value]) => [name, decodedParam(value)])) : params
