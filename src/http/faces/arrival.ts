import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { HttpBindings } from '@hono/node-server'
import { type Addressed, addressedOf } from '../server/host-header.ts'
import { type ClientCertificate, clientCertificateOf } from '../server/tls/client-certificate.ts'

/** A request as it came in. */
export interface Arrival {
  readonly method: string
  /** As routes are matched: dot segments resolved, percent-encoding decoded but for that of delimiters and of the percent sign. */
  readonly path: string
  /** The same with its percent-encoding. */
  readonly encodedPath: string
  /** What follows the `?`; empty where nothing does. */
  readonly query: string
  /** The path as it was sent, without the query. */
  readonly sentPath: string
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders
  readonly addressed: Addressed
  /** Whether it came over the server's own TLS. */
  readonly isSecure: boolean
  readonly clientCertificate: ClientCertificate | undefined
  /** Both sides of the socket; undefined where there is none. */
  readonly incoming: IncomingMessage | undefined
  readonly outgoing: ServerResponse | undefined
  /** Where no socket is. */
  readonly request: Request | undefined
}

/** What the app is given; the URL is checked and its dot segments are resolved there already. */
export const arrivalOf = (request: Request, { incoming, outgoing }: Partial<HttpBindings>, now: () => number): Arrival => {
  const { url, method } = request
  const begin = url.indexOf('/', url.indexOf('//') + 2)
  const end = endOfPath(url, begin)
  const encodedPath = url.slice(begin, end)
  const headers = incoming?.headers ?? Object.fromEntries(request.headers)
  return {
    method,
    path: decodedPath(encodedPath),
    encodedPath,
    query: queryOf(url, end),
    sentPath: incoming?.url === undefined ? encodedPath : beforeQuery(incoming.url),
    headers,
    addressed: addressedOf(incoming, headers),
    isSecure: incoming?.socket instanceof TLSSocket,
    clientCertificate: clientCertificateOf(incoming?.socket, now),
    incoming,
    outgoing: outgoing as ServerResponse | undefined,
    request: incoming === undefined ? request : undefined,
  }
}

const endOfPath = (url: string, begin: number): number => {
  const query = url.indexOf('?', begin)
  const fragment = url.indexOf('#', begin)
  const end = query < 0 || (fragment >= 0 && fragment < query) ? fragment : query
  return end < 0 ? url.length : end
}

const queryOf = (url: string, begin: number): string => {
  if (url[begin] !== '?') return ''
  const end = url.indexOf('#', begin)
  return url.slice(begin + 1, end < 0 ? undefined : end)
}

const beforeQuery = (url: string): string => {
  const end = url.indexOf('?')
  return end < 0 ? url : url.slice(0, end)
}

/** A parameter of a path, without its percent-encoding. */
export const decodedParam = (text: string): string => (text.includes('%') ? decoded(text, decodeURIComponent) : text)

const decodedPath = (text: string): string => (text.includes('%') ? decoded(text.replaceAll('%25', '%2525'), decodeURI) : text)

/** Text that cannot be decoded stays unchanged. */
const decoded = (text: string, decode: (text: string) => string): string => {
  try {
    return decode(text)
  } catch {
    if (/^(?:%[0-9a-f]{2})*$/i.test(text)) return text
    return text.replaceAll(/(?:%[0-9a-f]{2})+/gi, (part) => decoded(part, decode))
  }
}

/** A request header by its name in lower case. */
export const headerOf = ({ headers }: Pick<Arrival, 'headers'>, name: Lowercase<string>): string | undefined => {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}
