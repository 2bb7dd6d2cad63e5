import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'

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
  /** Both sides of the socket; undefined where there is none. */
  readonly incoming: IncomingMessage | undefined
  readonly outgoing: ServerResponse | undefined
  /** Where no socket is. */
  readonly request: Request | undefined
}

/** Undefined where the request line or `Host` is malformed. */
export const arrivalAt = (incoming: IncomingMessage, outgoing: ServerResponse): Arrival | undefined => {
  const { method = 'GET', url = '', headers } = incoming
  if (!isHost(headers.host ?? '')) return undefined
  const target = targetOf(url)
  if (target === undefined) return undefined
  const end = target.search(/[?#]/)
  const whole = end < 0
  const encodedPath = whole ? target : target.slice(0, end)
  return {
    method,
    path: decodedPath(encodedPath),
    encodedPath,
    query: whole ? '' : queryOf(target.slice(end)),
    sentPath: whole && target === url ? url : beforeQuery(url),
    headers,
    incoming,
    outgoing,
    request: undefined,
  }
}

/** A request that never was on a socket. */
export const arrivalOf = (request: Request): Arrival => {
  const { pathname, search } = new URL(request.url)
  return {
    method: request.method,
    path: decodedPath(pathname),
    encodedPath: pathname,
    query: search.slice(1),
    sentPath: pathname,
    headers: Object.fromEntries(request.headers),
    incoming: undefined,
    outgoing: undefined,
    request,
  }
}

/** What needs no look by a parser of URLs, as nearly all requests do: it takes longer than their routing. */
const plainTarget = /^\/[!#$&-;=?-[\]_a-z~]*$/
const dotSegment = /\/\.\.?(?:[/?#]|$)/
const plainHost = /^[a-z0-9._-]*(?::\d{1,4})?$/

/** Path and query of a request line, which may hold a whole URL. */
const targetOf = (url: string): string | undefined => {
  if (plainTarget.test(url) && !dotSegment.test(url)) return url
  const isWhole = /^https?:\/\//.test(url)
  if ((!isWhole && !url.startsWith('/')) || beforeQuery(url).includes('\\')) return undefined
  const parsed = URL.parse(isWhole ? url : `http://localhost${url}`)
  return parsed === null ? undefined : `${parsed.pathname}${parsed.search}`
}

const isHost = (host: string): boolean => plainHost.test(host) || (!/[/?#@\\]/.test(host) && URL.canParse(`http://${host}`))

const queryOf = (behindPath: string): string => {
  if (!behindPath.startsWith('?')) return ''
  const end = behindPath.indexOf('#')
  return behindPath.slice(1, end < 0 ? undefined : end)
}

const beforeQuery = (url: string): string => {
  const end = url.indexOf('?')
  return end < 0 ? url : url.slice(0, end)
}

/** A parameter of a path, without its percent-encoding. */
export const decodedParam = (text: string): string => (text.includes('%') ? decoded(text, decodeURIComponent) : text)

const decodedPath = (text: string): string => (text.includes('%') ? decoded(text.replaceAll('%25', '%2525'), decodeURI) : text)

/** What is not valid stays as it is. */
const decoded = (text: string, decode: (text: string) => string): string => {
  try {
    return decode(text)
  } catch {
    if (/^(?:%[0-9a-f]{2})*$/i.test(text)) return text
    return text.replaceAll(/(?:%[0-9a-f]{2})+/gi, (part) => decoded(part, decode))
  }
}
