import { buffer } from 'node:stream/consumers'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../lib/clock.ts'
import { sha256 } from '../../lib/ids.ts'
import { noProxies, type ProxyFor } from '../../lib/proxy-settings.ts'
import { version } from '../../lib/version.ts'
import { createTargets, type TlsIdentity } from './address-guard.ts'
import { type Connections, createConnections } from './connections.ts'
import { type Exchanged, type ExchangeLimits, exchange } from './exchange.ts'
import type { Header } from './headers.ts'
import { RequestFailed } from './request-failure.ts'

/** How TLS is spoken with one server. */
export interface TlsOptions extends TlsIdentity {
  /** Whether its certificate is checked. Default true. */
  readonly verify?: boolean | undefined
}

export interface OutboundRequest extends ExchangeLimits {
  readonly url: string
  /** Default `GET`. */
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** A stream is sent as it comes, in chunks unless the header `Content-Length` is given, and never twice. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>
  /** Most redirects that are followed. Default 0: a redirect is an answer like any other. */
  readonly redirects?: number
  readonly tls?: TlsOptions | undefined
  readonly signal?: AbortSignal | undefined
}

export interface OutboundResponse {
  readonly status: number
  /** The address that answered, after redirects. */
  readonly url: string
  readonly headers: readonly Header[]
  /** The first header of a name, whatever its case. */
  header(name: string): string | undefined
  /** To be read to its end, or left: leaving it closes the connection. The limits hold until its end. */
  readonly body: AsyncIterable<Buffer>
  bytes(): Promise<Buffer>
  text(): Promise<string>
  /** Leaves the body unread. */
  discard(): void
}

/**
 * The client for requests to other machines. A face has one, with address rules and words of its own; whatever it refuses or cannot
 * reach is a `RequestFailed`, whose `reason` the face puts into its words with a table over `RequestFailure`.
 */
export interface Outbound {
  /** Resolves with the head of the response, whatever its status. Rejects with `RequestFailed`, or the signal's reason. */
  request(request: OutboundRequest): Promise<OutboundResponse>
}

export interface OutboundOptions {
  /** Which addresses may be reached (`createTargets`), checked after DNS and on every redirect. */
  readonly addresses: Pick<Parameters<typeof createTargets>[0], 'allowLinkLocal' | 'allowPrivate' | 'allowNoHost' | 'remedies'>
  /** Default: no proxy. */
  readonly proxyFor?: ProxyFor
  readonly clock: Clock
}

/** Each way to speak TLS has connections of its own. */
const mostTlsOptions = 64
const defaultUserAgent = `Intendant/${version}`
const followed = new Set([301, 302, 303, 307, 308])
const withoutBody = new Set(['GET', 'HEAD'])
/** Headers that another origin must not see. */
const ofOneOrigin = new Set(['authorization', 'cookie', 'proxy-authorization'])
const ofBody = /^content-|^transfer-encoding$/

export const createOutbound = ({ addresses, proxyFor = noProxies, clock }: OutboundOptions): Outbound => {
  const pools = new LRUCache<string, Connections>({ max: mostTlsOptions })

  const poolFor = ({ verify: tlsVerify = true, ca, cert, key }: TlsOptions): Connections => {
    const name = sha256(JSON.stringify([tlsVerify, ca, cert, key]))
    const known = pools.get(name)
    if (known !== undefined) return known
    const made = createConnections(createTargets({ ...addresses, tlsVerify, tls: { ca, cert, key } }), proxyFor)
    pools.set(name, made)
    return made
  }

  return {
    request: async ({ url, method = 'GET', headers = {}, body, redirects = 0, tls = {}, signal, timeoutMs, ...limits }) => {
      const connections = poolFor(tls)
      const until = timeoutMs === undefined ? undefined : clock.monotonic() + timeoutMs
      let sent: Sent = { target: targetOf(url), method: method.toUpperCase(), headers: requestHeaders(headers), body }
      for (let hop = 0; ; hop++) {
        const left = until === undefined ? undefined : Math.max(0, until - clock.monotonic())
        const answer = await exchange({ ...sent, ...limits, timeoutMs: left, connections, signal, clock })
        if (redirects === 0 || answer.location === undefined || !followed.has(answer.status)) return responseOf(answer, sent)
        answer.body.on('error', () => undefined).destroy()
        if (hop === redirects) throw new RequestFailed('lost', `more than ${redirects} redirects`)
        sent = redirected(sent, answer.status, answer.location)
      }
    },
  }
}

interface Sent {
  readonly target: URL
  readonly method: string
  readonly headers: readonly Header[]
  readonly body: OutboundRequest['body']
}

const targetOf = (url: string, base?: URL): URL => {
  const target = URL.parse(url, base?.href)
  if (target === null) throw new RequestFailed('unsupported_scheme', 'this is not a URL')
  if (!['http:', 'https:'].includes(target.protocol))
    throw new RequestFailed('unsupported_scheme', `the scheme ${target.protocol} is not supported`)
  return target
}

const requestHeaders = (headers: Readonly<Record<string, string>>): readonly Header[] => {
  const given = Object.entries(headers)
  return given.some(([name]) => name.toLowerCase() === 'user-agent') ? given : [['User-Agent', defaultUserAgent], ...given]
}

/** The request that follows a redirect: as browsers do it, 301 and 302 turn a `POST` into a `GET`, and 303 turns all but `HEAD`. */
const redirected = ({ target, method, headers, body }: Sent, status: number, location: string): Sent => {
  const next = targetOf(location, target)
  const turns = status === 303 ? !withoutBody.has(method) : status < 303 && method === 'POST'
  if (!turns && typeof body === 'object' && Symbol.asyncIterator in body)
    throw new RequestFailed('lost', `the answer ${status} asks for the body a second time, and a stream is sent once`)
  const kept = headers.filter(([name]) => {
    const lower = name.toLowerCase()
    return !(turns && ofBody.test(lower)) && !(next.origin !== target.origin && ofOneOrigin.has(lower))
  })
  return { target: next, method: turns ? 'GET' : method, headers: kept, body: turns ? undefined : body }
}

const responseOf = ({ status, received, body }: Exchanged, { target }: Sent): OutboundResponse => ({
  status,
  url: target.href,
  headers: received,
  header: (name) => received.find(([known]) => known.toLowerCase() === name.toLowerCase())?.[1],
  body,
  bytes: () => buffer(body),
  text: async () => (await buffer(body)).toString('utf8'),
  discard: () => {
    body.on('error', () => undefined).destroy()
  },
})
