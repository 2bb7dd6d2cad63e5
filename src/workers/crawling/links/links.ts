import { contentTypeOf, decode, encodingOf } from '../../../lib/charset.ts'
import { responseType } from '../fetch/response-type.ts'
import { canonicalUrl } from './canonical-url.ts'
import type { LinkFilter } from './link-filter.ts'
import { type Anchor, readMarkup } from './markup.ts'
import { queryInEncoding } from './query-encoding.ts'
import { longestUrl, withoutFragment } from './web-address.ts'

/** A link to follow and the text of its element. */
export interface Link {
  /** The absolute address without fragment, otherwise as the page wrote it: some servers know no other form of it. */
  readonly url: string
  readonly text: string
}

/** What a response says. `links` are kept ones in document order, each canonical URL once; `found` counts those before filtering. */
export interface ExtractedLinks {
  /** Null when the response is not text. */
  readonly encoding: string | null
  readonly isHtml: boolean
  readonly text: string
  readonly links: readonly Link[]
  readonly found: number
  /** The first HTML meta refresh that names a URL. */
  readonly metaRefresh?: { readonly url: string; readonly delaySeconds: number }
}

/** Text without markup: whatever looks like a link in there is a string of a program. */
const withoutMarkup = /^(application|text)\/(.*\+)?(json|x-json|javascript|x-javascript|ecmascript|css|csv)$/

/** Longer addresses are neither made canonical nor looked at by patterns: no canonical form would be short enough to be followed. */
const longestRead = 4 * longestUrl

/**
 * Reads a response as the spider `link` does: `a` and `area` elements with an `href`, resolved against `<base>` or else
 * the response's URL. Only http and https links count. `filter` sees the absolute URL before it is made canonical.
 */
export const extractLinks = (page: {
  readonly body: Buffer
  readonly contentType: string | null | undefined
  /** The Content-Disposition. */
  readonly disposition?: string | undefined
  readonly responseUrl: string
  readonly filter?: LinkFilter
}): ExtractedLinks => {
  const type = responseType(page)
  if (type === null) return { encoding: null, isHtml: false, text: '', links: [], found: 0 }
  const encoding = encodingOf(page.body, type, contentTypeOf(page.contentType).charset)
  const text = decode(page.body, encoding)
  const isHtml = type.includes('html')
  if (withoutMarkup.test(type)) return { encoding, isHtml, text, links: [], found: 0 }
  const { anchors, base, refresh } = readMarkup(text)
  const resolve = resolver(URL.parse(base ?? '', page.responseUrl)?.href ?? page.responseUrl, encoding)
  const refreshUrl = refresh && refresh.url.length <= longestUrl && resolve(refresh.url)?.href
  return {
    encoding,
    isHtml,
    text,
    ...uniqueLinks(anchors, resolve, page.filter),
    ...(refresh && refreshUrl ? { metaRefresh: { url: refreshUrl, delaySeconds: refresh.delaySeconds } } : {}),
  }
}

type Resolve = (href: string) => Pick<URL, 'href' | 'protocol'> | null

/** An address that begins with its scheme, its host or its path needs no more of the base than its origin. */
const takesNoPath = /^[^\w/\\?#]*([a-z][a-z0-9+.-]*:|[/\\])/i

/** An address that is resolved against a base longer than this is too long as well, so it is not built. */
const resolver = (base: string, encoding: string): Resolve => {
  if (base.length <= longestRead) return (href) => URL.parse(queryInEncoding(href, encoding), base)
  const { origin, protocol = '' } = URL.parse(base) ?? {}
  const tooLong = { href: base.slice(0, longestRead + 1), protocol }
  return (href) => (takesNoPath.test(href) ? URL.parse(queryInEncoding(href, encoding), origin) : tooLong)
}

const uniqueLinks = (anchors: readonly Anchor[], resolve: Resolve, filter?: LinkFilter): { links: Link[]; found: number } => {
  // A null stands for a link that the filter dropped.
  const links = new Map<string, Link | null>()
  for (const { href, text } of anchors) {
    const absolute = resolve(href)
    if (!absolute || (absolute.protocol !== 'http:' && absolute.protocol !== 'https:')) continue
    const { href: written } = absolute
    const isRead = written.length <= longestRead
    const canonical = isRead ? canonicalUrl(written) : written
    if (links.get(canonical)) continue
    links.set(canonical, !isRead || !filter || filter.keeps(written) ? { url: withoutFragment(written), text } : null)
  }
  return { links: [...links.values()].filter((link) => link !== null), found: links.size }
}
