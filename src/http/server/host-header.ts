import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'

/** To which hosts a request was sent: its `Host`, and the one of an absolute target. */
export interface Addressed {
  /** As URLs write them: a name in lower case or an address, with its port where that is not the scheme's own. */
  readonly hosts: readonly string[]
  /** Why the request cannot be taken, in one sentence. */
  readonly fault?: string
}

/** What few requests have: an absolute target, a `Host` that is missing, doubled, malformed or in an unusual form. */
const unusual = new WeakMap<IncomingMessage, Addressed>()

/** A name in lower case or an IPv4 address, as nearly all clients send it: taken as it is. */
const usual = /^(?:[a-z_-][a-z0-9._-]*|(?:\d{1,3}\.){3}\d{1,3})(?::(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}))?$/
const authority = /^(?:\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(?::\d{0,5})?$/i
const absolute = /^https?:\/\/([^/?#]*)/i

/**
 * Brings target and `Host` into the form that is looked at later: an absolute target (RFC 9112, section 3.2.2; its scheme in any case) becomes its
 * path, and its host counts as `Host`. To be called before anything else looks at the request.
 */
export const normaliseTarget = (incoming: IncomingMessage): void => {
  const { headers, url = '' } = incoming
  const sent = hostsOf(incoming.rawHeaders)
  const isAbsolute = url[0] !== '/' && absolute.test(url)
  const [only = ''] = sent
  if (sent.length === 1 && !isAbsolute && usual.test(only)) return
  const named = [...sent]
  if (isAbsolute) {
    const [whole = '', host = ''] = absolute.exec(url) ?? []
    const rest = url.slice(whole.length)
    incoming.url = rest.startsWith('/') ? rest : `/${rest}`
    named.push(host)
  }
  const scheme = incoming.socket instanceof TLSSocket ? 'https' : 'http'
  const hosts = named.map((host) => canonicalHost(host, scheme))
  const fault = faultOf(incoming, sent, hosts)
  const found = hosts.filter((host) => host !== undefined)
  unusual.set(incoming, { hosts: found, ...(fault === undefined ? {} : { fault }) })
  // The one that counts: the absolute target's. A malformed one is answered by the face, so nothing before it may stumble over it.
  headers.host = fault === undefined ? (found.at(-1) ?? '') : ''
}

/** To whom a request was sent, after `normaliseTarget`. */
export const addressedOf = (incoming: IncomingMessage | undefined, { host }: IncomingHttpHeaders): Addressed => {
  const known = incoming === undefined ? undefined : unusual.get(incoming)
  return known ?? { hosts: host === undefined ? [] : [host] }
}

const hostsOf = (rawHeaders: readonly string[]): readonly string[] => {
  const found: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (name.length === 4 && name.toLowerCase() === 'host') found.push(rawHeaders[index + 1] as string)
  }
  return found
}

/** A host as URLs of the scheme write it (`[::ffff:7f00:1]:8080`, `127.0.0.1` for `127.1`); undefined where it is none. Empty stays empty. */
export const canonicalHost = (text: string, scheme: 'http' | 'https' = 'http'): string | undefined => {
  if (text === '') return ''
  if (!authority.test(text)) return undefined
  try {
    return new URL(`${scheme}://${text}`).host
  } catch {
    return undefined
  }
}

const faultOf = (
  { httpVersion }: IncomingMessage,
  sent: readonly string[],
  hosts: readonly (string | undefined)[],
): string | undefined => {
  if (sent.length > 1) return 'the request has several Host headers'
  if (sent.length === 0 && httpVersion !== '1.0') return 'the request has no Host header'
  return hosts.includes(undefined) ? 'the host that the request names is malformed' : undefined
}
