import { Buffer } from 'node:buffer'
import { domainToASCII } from 'node:url'
import { sha256 } from '../../../lib/ids.ts'

/** Most URLs of a page: a plain host and a plain path, no escapes, no parameters. What may be left to do is in the query. */
const plainUrl = /^(https?:\/\/[a-z0-9.-]+(?::\d+)?\/[A-Za-z0-9\-._~:/[\]@!$&'()*+,=|]*)(?:\?([\w\-.~=&]*))?(?:#.*)?$/

/** What stays unescaped in a path: RFC 3986 reserved but `#` and `?`, unreserved, and `|`. */
const unsafeInPath = /[^A-Za-z0-9\-._~:/?[\]@!$&'()*+,;=|%]/g
const unsafeInQuery = /[^A-Za-z0-9\-._~ ]/g

/** Escapes of a path that are kept, for decoding them would make another URL of it. */
const keptInPath = /^%(2f|3f|25)$/i

/** Nothing to decode and nothing outside ASCII: the text is its own bytes. */
const plain = /^[ -$&-~]*$/

/** Text as bytes, one character each, with the escapes decoded: an escape that is no UTF-8 comes back as it was. */
const unescaped = (text: string, kept?: RegExp): string =>
  plain.test(text)
    ? text
    : text.replace(/%[0-9A-Fa-f]{2}|[^%]+|%/g, (part) => {
        if (part.length !== 3 || part[0] !== '%') return Buffer.from(part, 'utf8').toString('latin1')
        return kept?.test(part) ? part.toUpperCase() : String.fromCharCode(Number.parseInt(part.slice(1), 16))
      })

const escaped = (bytes: string, unsafe: RegExp): string =>
  bytes.replace(unsafe, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)

/** Pairs that need neither decoding nor escaping, which is most queries. */
const plainQuery = /^[\w\-.~]*(=[\w\-.~]*)?(&[\w\-.~]*(=[\w\-.~]*)?)*$/

const canonicalQuery = (query: string): string => (plainQuery.test(query) ? sortedQuery(query) : escapedQuery(query))

/** NUL sorts before every character, so that pairs sort by name first. */
const sortedQuery = (query: string): string =>
  query
    .split('&')
    .filter((field) => field !== '')
    .map((field) => (field.includes('=') ? field.replace('=', '\0') : `${field}\0`))
    .sort()
    .join('&')
    .replaceAll('\0', '=')

const escapedQuery = (query: string): string =>
  query
    .split(/[&;]/)
    .filter((field) => field !== '')
    .map((field) => {
      const spaced = field.replaceAll('+', ' ')
      const equals = spaced.indexOf('=')
      return equals < 0
        ? { name: unescaped(spaced), value: '' }
        : { name: unescaped(spaced.slice(0, equals)), value: unescaped(spaced.slice(equals + 1)) }
    })
    .sort((one, other) => compare(one.name, other.name) || compare(one.value, other.value))
    .map(({ name, value }) => `${escaped(name, unsafeInQuery)}=${escaped(value, unsafeInQuery)}`.replaceAll(' ', '+'))
    .join('&')

/** A query of nothing but separators is none. */
const queryPart = (query: string): string => (query === '' ? '' : `?${query}`)

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)

/** Without C0 controls and spaces at both ends, as browsers read an address; in linear time. */
const withoutControls = (text: string): string => {
  let [start, end] = [0, text.length]
  while (start < end && text.charCodeAt(start) <= 0x20) start++
  while (end > start && text.charCodeAt(end - 1) <= 0x20) end--
  return text.slice(start, end)
}

const canonicalAuthority = (authority: string): string => {
  const at = authority.lastIndexOf('@') + 1
  const host = authority.slice(at).replace(/:$/, '').toLowerCase()
  // biome-ignore lint/suspicious/noControlCharactersInRegex: anything but ASCII is meant
  if (/^[\x00-\x7f]*$/.test(host)) return authority.slice(0, at) + host
  const [name = '', ...port] = host.split(':')
  return authority.slice(0, at) + [domainToASCII(name) || name, ...port].join(':')
}

/**
 * The canonical form of an absolute URL, as Scrapy's `canonicalize_url` makes it: query pairs sorted by name and then value
 * with blank values kept, escapes in upper case and only where needed, no fragment, an empty path as `/`, the host in lower
 * case. Unlike there `%25` stays escaped in a path, because this URL is also the one that is fetched. Takes any text.
 */
export const canonicalUrl = (url: string): string => {
  const [, address, pairs = ''] = plainUrl.exec(url) ?? []
  if (address !== undefined && plainQuery.test(pairs)) return address + queryPart(sortedQuery(pairs))
  const stripped = withoutControls(url).replace(/[\t\r\n]/g, '')
  const parts = /^(?:([A-Za-z][^:/?#]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?/.exec(stripped)
  const [, scheme, authority, path = '', query = ''] = parts ?? []
  // Parameters (`;x=1`) of the last segment are escaped, but their escapes are left alone.
  const semicolon = path.indexOf(';', path.lastIndexOf('/'))
  const [before, parameters] = semicolon < 0 ? [path, ''] : [path.slice(0, semicolon), path.slice(semicolon + 1)]
  const bytes = Buffer.from(parameters, 'utf8').toString('latin1')
  return [
    scheme === undefined ? '' : `${scheme.toLowerCase()}:`,
    authority === undefined ? '' : `//${canonicalAuthority(authority)}`,
    escaped(unescaped(before, keptInPath), unsafeInPath) || '/',
    bytes === '' ? '' : `;${escaped(bytes, unsafeInPath)}`,
    queryPart(canonicalQuery(query)),
  ].join('')
}

/** What the duplicate filter knows a request by: a digest (32 hexadecimal digits) of method and canonical URL. */
export const fingerprint = (method: string, url: string): string =>
  sha256(`${method.toUpperCase()} ${canonicalUrl(url)}`).slice(0, 32)
