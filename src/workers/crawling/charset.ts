import { isUtf8 } from 'node:buffer'
import sniff from 'html-encoding-sniffer'

/** How far into a page its declaration of an encoding is looked for. */
const prescanBytes = 4096

/** Types besides text/* and *+xml, *+json whose content is text. */
const textTypes = new Set([
  'application/xml',
  'application/xhtml+xml',
  'application/json',
  'application/javascript',
  'application/x-javascript',
  'application/ecmascript',
  'application/x-json',
  'application/json-amazonui-streaming',
])

/** Media type in lower case and charset label of a Content-Type; empty and undefined where there is none. */
export const contentTypeOf = (
  header: string | null | undefined,
): { readonly mediaType: string; readonly charset: string | undefined } => {
  const [mediaType = '', ...parameters] = (header ?? '').split(';')
  const charset = parameters.map((parameter) => /^\s*charset\s*=\s*["']?([^"'\s]+)/i.exec(parameter)?.[1]).find(Boolean)
  return { mediaType: mediaType.trim().toLowerCase(), charset }
}

const isText = (body: Buffer, mediaType: string): boolean => {
  if (mediaType !== '') return /^text\/|\+(xml|json)$/.test(mediaType) || textTypes.has(mediaType)
  // Untyped content is text unless it holds bytes that no text has; UTF-16 says so itself.
  if ((body[0] === 0xff && body[1] === 0xfe) || (body[0] === 0xfe && body[1] === 0xff)) return true
  return !body.subarray(0, 5000).some((byte) => byte < 9 || (byte > 13 && byte < 32 && byte !== 27))
}

/**
 * The encoding of a response, as a lower-case label of the Encoding Standard; null when it is not text. A byte order mark counts
 * most, then the Content-Type, then the page's own declaration; without any it is UTF-8 where the bytes are that, else windows-1252.
 */
export const encodingOf = (body: Buffer, contentType: string | null | undefined): string | null => {
  const { mediaType, charset } = contentTypeOf(contentType)
  if (!isText(body, mediaType)) return null
  const fallback = isUtf8(body) ? 'UTF-8' : 'windows-1252'
  const label = charset === undefined ? {} : { transportLayerEncodingLabel: charset }
  const isXml = /xml$/.test(mediaType) || (mediaType === '' && body.subarray(0, 5).toString('latin1') === '<?xml')
  const name = isXml
    ? sniff(body, { xml: true, ...label, defaultEncoding: fallback })
    : sniff(body, { ...label, defaultEncoding: fallback, maxPrescanBytes: prescanBytes })
  return decoderOf(name ?? fallback) === null ? fallback.toLowerCase() : (name ?? fallback).toLowerCase()
}

const decoderOf = (encoding: string): InstanceType<typeof TextDecoder> | null => {
  try {
    return new TextDecoder(encoding)
  } catch {
    return null
  }
}

/** The text of bytes in an encoding that `encodingOf` named; bytes that are wrong in it become U+FFFD. */
export const decode = (body: Buffer, encoding: string): string => (decoderOf(encoding) ?? new TextDecoder()).decode(body)
