import '@exodus/bytes/encoding.js'
import { percentEncodeAfterEncoding } from '@exodus/bytes/whatwg.js'

/** Characters that a query escapes, besides control characters and characters that are not ASCII. */
const escapedInQuery = ' "#\'<>'

// biome-ignore lint/suspicious/noControlCharactersInRegex: anything but ASCII is meant
const ascii = /^[\x00-\x7f]*$/

/**
 * A link with its query escaped in the encoding of its page, as browsers do it: the server that wrote the page reads it so. Everything else
 * of an address is UTF-8 whatever the page is. Source: URL Standard, query state.
 */
export const queryInEncoding = (href: string, encoding: string): string => {
  if (encoding === 'utf-8' || encoding.startsWith('utf-16') || ascii.test(href)) return href
  const hash = href.indexOf('#')
  const end = hash < 0 ? href.length : hash
  const query = href.slice(0, end).indexOf('?') + 1
  if (query === 0) return href
  // What a parser passes over must not be escaped before.
  const text = href.slice(query, end).replace(/[\t\r\n]/g, '')
  const written = hash < 0 ? text.trimEnd() : text
  if (ascii.test(written)) return href
  return href.slice(0, query) + percentEncodeAfterEncoding(encoding, written, escapedInQuery) + href.slice(end)
}
