import { domainKeyOf } from '../../../events/crawling/domain-key.ts'
import { withoutUserinfo } from '../../../events/crawling/userinfo.ts'
import { type Clock, systemClock } from '../../../lib/clock.ts'
import { fingerprint } from '../links/canonical-url.ts'
import { createLinkFilter, type LinkLists, PatternsTooSlow } from '../links/link-filter.ts'
import { type ExtractedLinks, extractLinks, type Link } from '../links/links.ts'
import { isWebAddress, longestUrl } from '../links/web-address.ts'

/** A response to be read. */
export interface ReadingOrder {
  readonly body: Uint8Array
  readonly contentType: string | undefined
  /** The Content-Disposition. */
  readonly disposition: string | undefined
  readonly responseUrl: string
  /** The crawl's `LinkLists` as JSON: filters are known by it. */
  readonly lists: string
  /** Which of the links that the filter keeps: none, all, or one, which lies at this fraction (from 0 to below 1) of them. */
  readonly follow: 'none' | 'all' | number
}

/** A link that may be queued: address, domain and fingerprint. */
export type FoundLink = readonly [url: string, domain: string, fingerprint: string]

/**
 * What a response says. Links are left as JSON texts in UTF-8, end to end in `texts`: the first is the item's list, each of the others a list of
 * `FoundLink` that is queued in one append. Whoever has other things to do parses one at a time.
 */
export interface PageReading {
  /** Null when the response is not text. */
  readonly encoding: string | null
  /** How many links there are, and how many of them are followed. */
  readonly found: number
  readonly kept: number
  readonly texts: Uint8Array
  /** Where each text ends. */
  readonly ends: readonly number[]
  /** Where the page sends its readers by itself. */
  readonly refresh: string | null
  /** Why no link is followed although links were asked for. */
  readonly linkError?: string
}

/** Most links, and most characters of their addresses, in one append. */
const linksPerText = 250
const charactersPerText = 250_000
/** Lists that would be larger end the reading: a thread has as much memory as a page may honestly need. */
const mostCharacters = 128 * 1024 * 1024
const longestRefreshS = 100
const knownFilters = 50

type Filter = ReturnType<typeof createLinkFilter>

/** Reads pages one after the other; filters of recent crawls are kept. Whatever it throws is the page's fault. */
export const createPageReader = (clock: Clock = systemClock): ((order: ReadingOrder) => PageReading) => {
  const filters = new Map<string, Filter>()
  const filterOf = (lists: string): Filter => {
    const known = filters.get(lists)
    if (known !== undefined) return known
    if (filters.size >= knownFilters) filters.clear()
    const made = createLinkFilter(JSON.parse(lists) as LinkLists, clock)
    filters.set(lists, made)
    return made
  }

  return (order) => {
    // A crawl that follows no links does not need the filter.
    const filter = order.follow === 'none' ? undefined : filterOf(order.lists)
    const { extracted, linkError } = extract(order, filter)
    const links = linkError === undefined ? chosen(extracted.links, order.follow).map(withoutSecrets) : []
    return {
      encoding: extracted.encoding,
      found: extracted.found,
      kept: links.length,
      ...textsOf(links, { areListed: order.follow === 'all' }),
      refresh: refreshOf(extracted),
      ...(linkError === undefined ? {} : { linkError }),
    }
  }
}

const extract = (
  { body, contentType, disposition, responseUrl }: ReadingOrder,
  filter: Filter | undefined,
): { extracted: ExtractedLinks; linkError?: string } => {
  const page = { body: Buffer.from(body.buffer, body.byteOffset, body.byteLength), contentType, disposition, responseUrl }
  if (filter === undefined) return { extracted: extractLinks(page) }
  if ('error' in filter) return { extracted: extractLinks(page), linkError: filter.error }
  filter.begin()
  try {
    return { extracted: extractLinks({ ...page, filter }) }
  } catch (error) {
    if (!(error instanceof PatternsTooSlow)) throw error
    return { extracted: extractLinks(page), linkError: error.message }
  }
}

const chosen = (links: readonly Link[], follow: ReadingOrder['follow']): readonly Link[] => {
  if (follow === 'all') return links
  if (follow === 'none') return []
  const index = Math.floor(follow * links.length)
  return links.slice(index, index + 1)
}

/** User and password that a page writes into its links are neither kept nor sent. */
const withoutSecrets = (link: Link): Link => (link.url.includes('@') ? { ...link, url: withoutUserinfo(link.url) } : link)

/** An address that is too long is shortened, but not so much that it could be followed: it is dropped for its length. */
const foundLink = (url: string): FoundLink =>
  url.length > longestUrl ? [url.slice(0, longestUrl + 1), '', ''] : [url, domainKeyOf(url), fingerprint('GET', url)]

const textsOf = (links: readonly Link[], { areListed }: { readonly areListed: boolean }): Pick<PageReading, 'texts' | 'ends'> => {
  const parts: string[][] = [[]]
  let [count, characters, all] = [linksPerText, 0, 0]
  for (const { url, text } of links) {
    const isFollowable = url.length <= longestUrl
    if (areListed && isFollowable) parts[0]?.push(JSON.stringify({ url, text }))
    if (count >= linksPerText || characters > charactersPerText) {
      parts.push([])
      count = 0
      characters = 0
    }
    parts.at(-1)?.push(JSON.stringify(foundLink(url)))
    count++
    characters += url.length
    all += 2 * url.length + text.length
    if (all > mostCharacters) throw new Error('the links of the page are too large to be kept')
  }
  const texts: Uint8Array[] = []
  const ends: number[] = []
  let end = 0
  for (const part of parts) {
    const bytes = listOf(part)
    texts.push(bytes)
    end += bytes.length
    ends.push(end)
  }
  // Of its own memory, so that it can be handed over.
  const whole = new Uint8Array(end)
  for (const [index, bytes] of texts.entries()) whole.set(bytes, index === 0 ? 0 : ends[index - 1])
  return { texts: whole, ends }
}

const encoder = new TextEncoder()
/** Texts of this many members are encoded at once: one long string would need its memory in one piece. */
const membersAtOnce = 10_000

const listOf = (members: readonly string[]): Uint8Array => {
  const pieces: Uint8Array[] = []
  for (let index = 0; index < members.length; index += membersAtOnce)
    pieces.push(encoder.encode((index === 0 ? '' : ',') + members.slice(index, index + membersAtOnce).join(',')))
  return Buffer.concat([encoder.encode('['), ...pieces, encoder.encode(']')])
}

/** Only HTML refreshes itself; a page that merely reloads is an item, and one that sends its readers to a program. */
const refreshOf = ({ isHtml, metaRefresh }: ExtractedLinks): string | null => {
  if (!isHtml || metaRefresh === undefined || metaRefresh.delaySeconds > longestRefreshS) return null
  return isWebAddress(metaRefresh.url) ? withoutUserinfo(metaRefresh.url) : null
}
