import { LRUCache } from 'lru-cache'

/** A header as it was sent or received: name and value. */
export type Header = readonly [name: string, value: string]

/** Most bytes of the head of a response; a server that greets with more is refused. */
export const maxHeaderBytes = 64 * 1024

/** Most headers of a response that are read, as in Node.js; later ones are ignored. */
export const mostHeaders = 2_000

/** Answers of status 1xx that may come before the one that counts. */
export const mostInterim = 50

/** Servers name the same few headers, page after page. */
const titleCases = new LRUCache<string, string>({ max: 500 })

export const titleCase = (name: string): string => {
  const known = titleCases.get(name)
  if (known !== undefined) return known
  const cased = name.toLowerCase().replace(/(^|-)[a-z]/g, (start) => start.toUpperCase())
  titleCases.set(name, cased)
  return cased
}

/** Bytes of UTF-8, one character each, without the control characters that would end a header. */
export const sendable = (value: string): string =>
  /^[ -~]*$/.test(value) ? value : Buffer.from(value.replace(/[^\t\P{Cc}]/gu, ''), 'utf8').toString('latin1')

/** Header values are UTF-8 where they can be read as such, else each byte is a character. */
const textOf = (raw: Buffer | string): string => {
  if (typeof raw === 'string') return raw
  const text = raw.toString('utf8')
  return text.includes('\ufffd') ? raw.toString('latin1') : text
}

/** A received head: the headers as text, and the first Location with each byte outside ASCII escaped as it came. */
export const headersOf = (raw: unknown): { readonly received: Header[]; readonly location?: string } => {
  const received: Header[] = []
  let location: string | undefined
  if (!Array.isArray(raw)) return { received }
  for (let index = 0; index + 1 < raw.length && received.length < mostHeaders; index += 2) {
    const name = titleCase(textOf(raw[index] as Buffer | string))
    const value = raw[index + 1] as Buffer | string
    received.push([name, textOf(value)])
    if (name === 'Location') location ??= escaped(value)
  }
  return { received, ...(location === undefined ? {} : { location }) }
}

const escaped = (value: Buffer | string): string =>
  (typeof value === 'string' ? value : value.toString('latin1')).replace(
    /[\x80-\xff]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`,
  )
