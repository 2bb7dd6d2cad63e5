import { isUtf8 } from 'node:buffer'
import sniff from 'html-encoding-sniffer'

/** How far into a page its declaration of an encoding is looked for. */
const prescanBytes = 4096

/** Media type in lower case and charset label of a Content-Type; empty and undefined where there is none. */
export const contentTypeOf = (
  header: string | null | undefined,
): { readonly mediaType: string; readonly charset: string | undefined } => {
  const [mediaType = '', ...parameters] = (header ?? '').split(';')
  const charset = parameters.map((parameter) => /^\s*charset\s*=\s*["']?([^"'\s]+)/i.exec(parameter)?.[1]).find(Boolean)
  return { mediaType: mediaType.trim().toLowerCase(), charset }
}

/**
 * The encoding of text of a media type, as a lower-case label of the Encoding Standard. A byte order mark counts most, then the
 * `charset` of the Content-Type, then the page's own declaration; without any it is UTF-8 where the bytes are that, else windows-1252.
 */
export const encodingOf = (body: Buffer, mediaType: string, charset: string | undefined): string => {
  const fallback = isUtf8(body) ? 'UTF-8' : 'windows-1252'
  const label = charset === undefined ? {} : { transportLayerEncodingLabel: charset }
  const name = /xml$/.test(mediaType)
    ? sniff(body, { xml: true, ...label, defaultEncoding: fallback })
    : sniff(body, { ...label, defaultEncoding: fallback, maxPrescanBytes: prescanBytes })
  const encoding = name === null || unusable.has(name) || decoderOf(name) === null ? fallback : name
  return encoding.toLowerCase()
}

/** Means the bytes themselves; pages that declare it are read as browsers read them. */
const unusable = new Set(['x-user-defined'])

const decoderOf = (encoding: string): InstanceType<typeof TextDecoder> | null => {
  try {
    return new TextDecoder(encoding)
  } catch {
    return null
  }
}

/** The text of bytes in an encoding that `encodingOf` named; bytes that are wrong in it become U+FFFD. */
export const decode = (body: Buffer, encoding: string): string => (decoderOf(encoding) ?? new TextDecoder()).decode(body)
