import { parse } from 'tldts'
import type { CrawlInput } from '../../../commands/crawling/requests.ts'
import { withScheme } from '../../../events/crawling/domain-key.ts'
import { secretMask } from '../../../events/sealed.ts'
import type { Header } from '../../outbound/headers.ts'

/** What a page is told of its crawl besides the headers that every page gets. */
export interface SiteSecrets {
  readonly cookie?: string
  readonly authorization?: string
}

/**
 * The secrets of a crawl that an address may see. The cookie goes to the site of the seed, which is its host and all hosts of the same
 * registered domain; user and password go to the seed's own host and port. Neither leaves TLS where the seed was fetched with it.
 */
export const siteSecrets = (
  { url: seed, cookie, userinfo }: Pick<CrawlInput, 'url' | 'cookie' | 'userinfo'>,
  url: string,
): SiteSecrets => {
  if (cookie === undefined && userinfo === undefined) return {}
  const from = URL.parse(withScheme(seed))
  const to = URL.parse(url)
  if (from === null || to === null || (from.protocol === 'https:' && to.protocol !== 'https:')) return {}
  return {
    ...(cookie !== undefined && siteOf(from) === siteOf(to) ? { cookie } : {}),
    ...(userinfo !== undefined && isSameServer(from, to) ? { authorization: basic(userinfo) } : {}),
  }
}

/** Names under one registered domain are one site; `github.io` and the like are no owner's domain. An address is a site of its own. */
const siteOf = ({ hostname }: URL): string =>
  parse(hostname, { allowPrivateDomains: true, validateHostname: false }).domain ?? hostname

/** The same origin, or its move from the usual port of HTTP to that of HTTPS. */
const isSameServer = (from: URL, to: URL): boolean =>
  from.origin === to.origin || (from.hostname === to.hostname && from.port === '' && to.port === '')

const basic = (userinfo: string): string => {
  const colon = userinfo.indexOf(':')
  const parts = colon < 0 ? [userinfo, ''] : [userinfo.slice(0, colon), userinfo.slice(colon + 1)]
  return `Basic ${Buffer.from(parts.map(unescaped).join(':'), 'utf8').toString('base64')}`
}

const unescaped = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The `Referer` of a link's request: null if the linking page was fetched with TLS and the link is not. */
export const refererFor = (referer: string | null | undefined, url: string): string | null => {
  if (referer == null || (referer.startsWith('https:') && !url.startsWith('https:'))) return null
  return referer
}

const secretHeaders = new Set(['cookie', 'authorization', 'proxy-authorization'])

export const isSecretHeader = (name: string): boolean => secretHeaders.has(name.toLowerCase())

/** The headers of a request as an item shows them. */
export const shownHeaders = (headers: readonly Header[]): readonly Header[] =>
  headers.map(([name, value]) => [name, isSecretHeader(name) ? secretMask : value])
