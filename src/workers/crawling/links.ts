import { Parser } from 'htmlparser2'
import { LRUCache } from 'lru-cache'
import { canonicalUrl } from './canonical-url.ts'
import { contentTypeOf, decode, encodingOf } from './charset.ts'
import { compilePattern, type Pattern } from './patterns.ts'

/** A link to follow: canonical URL and the text of its element. */
export interface Link {
  readonly url: string
  readonly text: string
}

/** What a response says. `links` are kept ones in document order, each URL once; `found` counts those before filtering. */
export interface ExtractedLinks {
  /** Null when the response is not text. */
  readonly encoding: string | null
  readonly text: string
  readonly links: readonly Link[]
  readonly found: number
  /** The first HTML meta refresh that names a URL. */
  readonly metaRefresh?: { readonly url: string; readonly delaySeconds: number }
}

/** Text without markup: whatever looks like a link in there is a string of a program. */
const withoutMarkup = /^(application|text)\/(.*\+)?(json|x-json|javascript|x-javascript|ecmascript|css|csv)$/

/**
 * Reads a response as the spider `link` does: `a` and `area` elements with an `href`, resolved against `<base>` or else
 * the response's URL. Only http and https links count. `filter` sees the absolute URL before it is made canonical.
 */
export const extractLinks = (page: {
  readonly body: Buffer
  readonly contentType: string | null | undefined
  readonly responseUrl: string
  readonly filter?: LinkFilter
}): ExtractedLinks => {
  const encoding = encodingOf(page.body, page.contentType)
  if (encoding === null) return { encoding, text: '', links: [], found: 0 }
  const text = decode(page.body, encoding)
  if (withoutMarkup.test(contentTypeOf(page.contentType).mediaType)) return { encoding, text, links: [], found: 0 }
  const { anchors, base, refresh } = readMarkup(text)
  const baseUrl = URL.parse(base ?? '', page.responseUrl)?.href ?? page.responseUrl
  const refreshUrl = refresh && URL.parse(refresh.url, baseUrl)?.href
  return {
    encoding,
    text,
    ...uniqueLinks(anchors, baseUrl, page.filter),
    ...(refresh && refreshUrl ? { metaRefresh: { url: refreshUrl, delaySeconds: refresh.delaySeconds } } : {}),
  }
}

const uniqueLinks = (anchors: readonly Anchor[], base: string, filter?: LinkFilter): { links: Link[]; found: number } => {
  // A null stands for a link that the filter dropped.
  const links = new Map<string, Link | null>()
  const seen = new Set<string>()
  for (const { href, text } of anchors) {
    if (seen.has(href)) continue
    seen.add(href)
    const absolute = URL.parse(href, base)
    if (!absolute || (absolute.protocol !== 'http:' && absolute.protocol !== 'https:')) continue
    const url = canonicalUrl(absolute.href)
    if (links.get(url)) continue
    links.set(url, !filter || filter.keeps(absolute.href) ? { url, text } : null)
  }
  return { links: [...links.values()].filter((link) => link !== null), found: links.size }
}

interface Anchor {
  readonly href: string
  text: string
}

interface Markup {
  readonly anchors: readonly Anchor[]
  readonly base: string | undefined
  readonly refresh: { readonly url: string; readonly delaySeconds: number } | undefined
}

/** Elements whose attributes matter. */
const watched = new Set(['a', 'area', 'base', 'meta'])

const readMarkup = (text: string): Markup => {
  const anchors: Anchor[] = []
  let base: string | undefined
  let refresh: Markup['refresh']
  /** The element whose attributes are coming in; null while it is none that matters. */
  let element: string | null = null
  let attributes: Record<string, string> = {}
  /** The `a` element whose text is being read. */
  let open: Anchor | null = null
  let noscript = 0

  const finishTag = (): void => {
    if (element === 'a' || element === 'area') {
      // An anchor inside an anchor ends the outer one.
      open = null
      const { href } = attributes
      if (href !== undefined) {
        const anchor = { href, text: '' }
        anchors.push(anchor)
        if (element === 'a') open = anchor
      }
    } else if (element === 'base') base ??= attributes.href
    else if (element === 'meta' && noscript === 0 && attributes['http-equiv']?.toLowerCase() === 'refresh') {
      refresh ??= refreshOf(attributes.content ?? '')
    }
    element = null
  }

  const parser = new Parser({
    onopentagname(name) {
      if (element !== null) finishTag()
      if (name === 'noscript') noscript++
      if (!watched.has(name)) return
      element = name
      attributes = {}
    },
    onattribute(name, value) {
      // Of a repeated attribute the first counts.
      if (element !== null) attributes[name] ??= value
    },
    ontext(data) {
      if (element !== null) finishTag()
      if (open !== null) open.text += data
    },
    onclosetag(name) {
      if (element !== null) finishTag()
      if (name === 'a') open = null
      else if (name === 'noscript') noscript--
    },
  })
  parser.end(text)
  if (element !== null) finishTag()
  return { anchors, base, refresh }
}

const refreshOf = (content: string): Markup['refresh'] => {
  const parts = /^\s*(\d*\.?\d+)\s*[;,]\s*url\s*=\s*(['"]?)(.*?)\2\s*$/is.exec(content)
  return parts?.[3] ? { delaySeconds: Number(parts[1]), url: parts[3] } : undefined
}

/** Says of an absolute URL whether a crawl follows it. */
export interface LinkFilter {
  keeps(url: string): boolean
}

/** Extensions that are not followed unless a crawl has a list of its own; the original's list. */
const deniedExtensions =
  'mng pct bmp gif jpg jpeg png pst psp tif tiff ai drw dxf eps ps svg mp3 wma ogg wav ra aac mid au aiff 3gp asf asx avi mov mp4 mpg qt rm swf wmv m4a m4v flv xls xlsx ppt pptx pps doc docx odt ods odg odp css pdf exe bin rss zip rar'.split(
    ' ',
  )

/** Compiled patterns of recent crawls: every page of a crawl brings the same ones. */
const compiledPatterns = new LRUCache<string, Pattern>({ max: 1000 })

const patternOf = (source: string): Pattern | { readonly error: string } => {
  const known = compiledPatterns.get(source)
  if (known) return known
  const compiled = compilePattern(source)
  if (!('error' in compiled)) compiledPatterns.set(source, compiled)
  return compiled
}

/** The filter of a crawl's own lists. A pattern that cannot be used gives `error`: such a crawl follows nothing. */
export const createLinkFilter = (lists: {
  readonly allowRegex: readonly string[] | null
  readonly denyRegex: readonly string[] | null
  readonly allowedDomains: readonly string[] | null
  /** Null for the standard list, empty for none. */
  readonly denyExtensions: readonly string[] | null
}): LinkFilter | { readonly error: string } => {
  const patterns = { allow: [] as Pattern[], deny: [] as Pattern[] }
  for (const [list, sources] of [
    ['allow', lists.allowRegex ?? []],
    ['deny', lists.denyRegex ?? []],
  ] as const) {
    for (const source of sources) {
      const compiled = patternOf(source)
      if ('error' in compiled) return compiled
      patterns[list].push(compiled)
    }
  }
  const domains = (lists.allowedDomains ?? []).map((domain) => domain.toLowerCase())
  const extensions = new Set(
    (lists.denyExtensions ?? deniedExtensions).map((extension) => extension.toLowerCase().replace(/^\./, '')),
  )
  const isIn = (host: string): boolean => domains.some((domain) => host === domain || host.endsWith(`.${domain}`))

  return {
    keeps(url) {
      const parts = /^https?:\/\/([^/?#]*)([^?#]*)/i.exec(url)
      if (!parts) return false
      const host = (parts[1] as string).slice((parts[1] as string).lastIndexOf('@') + 1).toLowerCase()
      if (domains.length > 0 && !isIn(host) && !isIn(host.replace(/:\d*$/, ''))) return false
      if (extensions.size > 0 && extensions.has(extensionOf(parts[2] as string))) return false
      if (patterns.allow.length > 0 && !patterns.allow.some((pattern) => pattern.found(url))) return false
      return !patterns.deny.some((pattern) => pattern.found(url))
    },
  }
}

/** The extension of a path's last segment, lower case, without parameters; a leading dot starts none. */
const extensionOf = (path: string): string => {
  const segment = path.slice(path.lastIndexOf('/') + 1).replace(/;.*$/, '')
  const dot = segment.lastIndexOf('.')
  return dot > 0 ? segment.slice(dot + 1).toLowerCase() : ''
}
