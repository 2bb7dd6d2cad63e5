import { contentTypeOf } from '../../../lib/charset.ts'

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

const isTextType = (mediaType: string): boolean => /^text\/|\+(xml|json)$/.test(mediaType) || textTypes.has(mediaType)

const typesOfExtensions: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'text/html': 'html htm shtml',
    'application/xhtml+xml': 'xhtml xht',
    'application/xml': 'xml xsl xsd',
    'application/rss+xml': 'rss',
    'application/atom+xml': 'atom',
    'application/rdf+xml': 'rdf',
    'application/json': 'json',
    'application/javascript': 'js',
    'text/css': 'css',
    'text/csv': 'csv',
    'text/plain': 'asc txt text',
  }).flatMap(([type, extensions]) => extensions.split(' ').map((extension): [string, string] => [extension, type])),
)

/** How many bytes of a body are looked at; the original's own number. */
const sniffedBytes = 5_000
const htmlMarks = /<(?:!doctype\s+html|html|head|body|meta|title)[\s>]/i

/**
 * The media type that a response is read as, null where it is no text. A Content-Type that names text is believed. Any other one, and none,
 * is no more than a guess of the server's: then the name of the file in Content-Disposition counts, the name in the address,
 * and what the body looks like. Source: `responsetypes` of Scrapy.
 */
export const responseType = ({
  body,
  contentType,
  disposition,
  responseUrl,
}: {
  readonly body: Buffer
  readonly contentType: string | null | undefined
  readonly disposition?: string | undefined
  readonly responseUrl: string
}): string | null => {
  const { mediaType } = contentTypeOf(contentType)
  if (isTextType(mediaType)) return mediaType
  return typeOfName(fileNameOf(disposition)) ?? typeOfName(pathOf(responseUrl)) ?? typeOfBody(body)
}

const fileNameOf = (disposition: string | undefined): string =>
  /;\s*filename\*?\s*=\s*("[^"]*"|[^;]*)/i.exec(disposition ?? '')?.[1]?.replace(/^["']|["'\s]+$/g, '') ?? ''

/** A query may say anything: an address that has one has no file name. */
const pathOf = (url: string): string => {
  const { pathname = '', search = '' } = URL.parse(url) ?? {}
  return search === '' ? pathname : ''
}

const typeOfName = (name: string): string | undefined => {
  const file = name.slice(name.lastIndexOf('/') + 1)
  const dot = file.lastIndexOf('.')
  return dot > 0 ? typesOfExtensions.get(file.slice(dot + 1).toLowerCase()) : undefined
}

/** No text has these bytes; NUL is one for itself, and ESC stands in ISO-2022-JP. */
const isBinary = (byte: number): boolean => byte < 32 && byte !== 0 && (byte < 9 || byte > 13) && byte !== 27

const typeOfBody = (body: Buffer): string | null => {
  const start = body.subarray(0, sniffedBytes)
  const hasMark = (start[0] === 0xff && start[1] === 0xfe) || (start[0] === 0xfe && start[1] === 0xff)
  if (!hasMark && start.some(isBinary)) return null
  const text = start.toString('latin1')
  if (htmlMarks.test(text)) return 'text/html'
  if (text.includes('<?xml')) return 'text/xml'
  // Markup with a NUL in it is a page with a mistake in it.
  return hasMark || !start.includes(0) ? 'text/plain' : null
}
