import { canonicalHost } from './host-header.ts'

/** What a browser says of the page that sends a request. */
export interface Sender {
  readonly origin: string | undefined
  /** `Sec-Fetch-Site` */
  readonly site: string | undefined
}

/** How the server was asked: by which host, and whether over its own TLS. */
interface AskedServer {
  readonly host: string | undefined
  readonly isSecure: boolean
}

/** What other pages than this server's own may do as long as it has no credentials. */
export interface Origins {
  /** Whether the sender is a page of another origin that is not in `ALLOWED_ORIGINS`. */
  isForeign(sender: Sender, server: AskedServer): boolean
}

export const createOrigins = (allowed: readonly string[]): Origins => {
  const known = new Set(allowed.map((entry) => canonicalOrigin(withoutSlash(entry))))
  const isAllowed = (origin: string): boolean => known.has('*') || known.has(canonicalOrigin(origin))
  return {
    isForeign: ({ origin, site }, server) => {
      if (origin === undefined && site === undefined) return false
      if (origin !== undefined && isAllowed(origin)) return false
      return (origin !== undefined && !isOwn(origin, server)) || (site ?? '').toLowerCase().includes('cross-site')
    },
  }
}

const webOrigin = /^https?:\/\/([^/?#]+)$/i

/** Whether an origin is that of the server. Without TLS of its own the scheme is the page's, because a proxy may speak it for this server. */
const isOwn = (origin: string, { host, isSecure }: AskedServer): boolean => {
  const scheme = webOrigin.test(origin) ? origin.slice(0, origin.indexOf(':')) : undefined
  if (scheme === undefined || host === undefined || (isSecure && scheme.toLowerCase() !== 'https')) return false
  return canonicalOrigin(`${scheme}://${host}`) === canonicalOrigin(origin)
}

/** An origin in the form in which browsers send it; what is no web page's (`null`, an extension's) in lower case. */
const canonicalOrigin = (text: string): string => {
  const host = webOrigin.exec(text)?.[1]
  if (host === undefined || canonicalHost(host) === undefined) return text.toLowerCase()
  return new URL(text).origin
}

/** Origins are copied from address bars, where a slash follows. */
const withoutSlash = (entry: string): string => entry.replace(/\/$/, '')

/** Whether an entry of `ALLOWED_ORIGINS` can be honoured: an origin without a path, `null` or `*`. */
export const isOriginEntry = (given: string): boolean => {
  const entry = withoutSlash(given)
  if (entry === '*' || entry === 'null') return true
  const host = webOrigin.exec(entry)?.[1]
  return host === undefined
    ? /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+$/i.test(entry) && !/^https?:/i.test(entry)
    : Boolean(canonicalHost(host))
}
