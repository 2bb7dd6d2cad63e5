import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { LRUCache } from 'lru-cache'
import type { Dispatcher } from 'undici'
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Connections } from './connections.ts'
import { TargetRefused } from './targets.ts'

/** A header as it was sent or received: name and value. */
export type Header = readonly [name: string, value: string]

/** Why a page could not be fetched. */
export type FetchFailure = 'dns' | 'refused' | 'timeout' | 'tls' | 'too_large' | 'unsupported_scheme' | 'lost' | 'target_refused'

/** Thrown when there is no response to keep. `retryable` says whether another attempt can help. */
export class FetchFailed extends Error {
  override readonly name = 'FetchFailed'
  readonly reason: FetchFailure
  readonly retryable: boolean
  constructor(reason: FetchFailure, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
    this.retryable = !['too_large', 'unsupported_scheme', 'target_refused'].includes(reason)
  }
}

/** One response, whole. `headers` are as received, but without a Content-Encoding that has been undone. */
export interface FetchedPage {
  readonly status: number
  /** The URL that answered, without fragment. */
  readonly responseUrl: string
  readonly headers: readonly Header[]
  readonly requestHeaders: readonly Header[]
  readonly body: Buffer
  readonly durationMs: number
}

export interface FetchOptions {
  readonly url: string
  /** Sent besides the standard ones and instead of those of the same name. */
  readonly headers?: Readonly<Record<string, string>>
  /** For everything from the name look-up to the last byte of the body. */
  readonly timeoutMs: number
  /** Most bytes of the body, both as transferred and as decompressed. */
  readonly maxBytes: number
  /** Aborts the fetch, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal
  readonly connections: Connections
  readonly clock: Clock
}

/** What every request of a crawl says of itself unless its crawl says otherwise; the original's own defaults. */
const standardHeaders: Readonly<Record<string, string>> = {
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'Accept-Language': 'en',
  'Accept-Encoding': 'gzip,deflate',
  'User-Agent': 'Scrapy/1.5.0 (+https://scrapy.org)',
}

/** Servers name the same few headers, page after page. */
const titleCases = new LRUCache<string, string>({ max: 500 })

const titleCase = (name: string): string => {
  const known = titleCases.get(name)
  if (known !== undefined) return known
  const cased = name.toLowerCase().replace(/(^|-)[a-z]/g, (start) => start.toUpperCase())
  titleCases.set(name, cased)
  return cased
}

/** Bytes of UTF-8, one character each, without the control characters that would end a header. */
const sendable = (value: string): string =>
  /^[ -~]*$/.test(value) ? value : Buffer.from(value.replace(/[^\t\P{Cc}]/gu, ''), 'utf8').toString('latin1')

/** The headers that a crawl asks for: its user agent, its cookies (`k=v; k2=v2`), its password and the page that linked here. */
export const crawlHeaders = (crawl: {
  readonly useragent?: string | null | undefined
  readonly cookie?: string | null | undefined
  readonly authorization?: string | null | undefined
  readonly referer?: string | null | undefined
}): Record<string, string> => {
  const cookies = (crawl.cookie ?? '').split(';').map((cookie) => cookie.trim())
  const cookie = cookies.filter((pair) => pair !== '').join('; ')
  return {
    ...(crawl.useragent ? { 'User-Agent': crawl.useragent } : {}),
    ...(cookie === '' ? {} : { Cookie: cookie }),
    ...(crawl.authorization ? { Authorization: crawl.authorization } : {}),
    ...(crawl.referer ? { Referer: crawl.referer } : {}),
  }
}

const headersOf = (extra: Readonly<Record<string, string>> = {}): Header[] => {
  const all: Record<string, string> = { ...standardHeaders }
  for (const name of Object.keys(extra)) all[titleCase(name)] = extra[name] as string
  return Object.entries(all)
}

/**
 * Fetches one URL with GET. Redirects are answers like any other. Throws `FetchFailed` when there is no response, or too much of
 * one, and the signal's reason when it aborts.
 */
export const fetchPage = async ({ url, headers, signal, ...options }: FetchOptions): Promise<FetchedPage> => {
  signal?.throwIfAborted()
  const target = URL.parse(url)
  if (!target || !['http:', 'https:'].includes(target.protocol)) {
    throw new FetchFailed('unsupported_scheme', target ? `the scheme ${target.protocol} is not supported` : 'this is not a URL')
  }
  target.hash = ''
  target.username = ''
  target.password = ''
  const requestHeaders = headersOf(headers)
  const startedAt = options.clock.monotonic()
  const { status, received, body } = await transfer({ ...options, target, requestHeaders, signal })
  const { body: plain, encodings } = await decompressed(body, received, options.maxBytes)
  return {
    status,
    responseUrl: target.href,
    headers: encodings ? received : received.filter(([name]) => name.toLowerCase() !== 'content-encoding'),
    requestHeaders,
    body: plain,
    durationMs: Math.round(options.clock.monotonic() - startedAt),
  }
}

interface Transferred {
  readonly status: number
  readonly received: readonly Header[]
  readonly body: Buffer
}

interface TransferOptions extends Omit<FetchOptions, 'url' | 'headers' | 'signal'> {
  readonly target: URL
  readonly requestHeaders: readonly Header[]
  readonly signal: AbortSignal | undefined
}

const transfer = ({
  target,
  requestHeaders,
  timeoutMs,
  maxBytes,
  signal,
  connections,
  clock,
}: TransferOptions): Promise<Transferred> => {
  const path = target.pathname + target.search
  const headers = requestHeaders.flatMap(([name, value]) => [name, sendable(value)])
  const connection = connections.take(target.origin)
  let isOver = false
  const tooLarge = () => new FetchFailed('too_large', `the body is larger than ${maxBytes} bytes`)
  return new Promise<Transferred>((resolve, reject) => {
    const end = (): void => {
      isOver = true
      stopTimer()
      signal?.removeEventListener('abort', onAbort)
    }
    const fail = (error: unknown): void => {
      end()
      reject(error)
      connection.destroy()
    }
    const stopTimer = clock.after(timeoutMs, () =>
      fail(new FetchFailed('timeout', `no complete response within ${timeoutMs} ms`)),
    )
    const onAbort = () => fail(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })

    let status = 0
    let received: readonly Header[] = []
    let bytes = 0
    const chunks: Buffer[] = []
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {},
      onResponseStart(controller, statusCode) {
        // 1xx answers announce the one that counts.
        if (statusCode < 200) return
        status = statusCode
        received = pairs(controller.rawHeaders)
        const announced = Number(received.find(([name]) => name === 'Content-Length')?.[1])
        if (announced > maxBytes) fail(tooLarge())
      },
      onResponseData(_controller, chunk) {
        bytes += chunk.length
        if (bytes > maxBytes) fail(tooLarge())
        else chunks.push(chunk)
      },
      onResponseEnd() {
        end()
        connection.release()
        resolve({ status, received, body: chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks) })
      },
      onResponseError(_controller, error) {
        if (isOver) return
        if (status === 0) connection.wasClosed()
        fail(failureOf(error))
      },
    }
    try {
      connection.client.dispatch({ method: 'GET', path, headers }, handler)
    } catch (error) {
      fail(error)
    }
  })
}

/** Header values are UTF-8 where they can be read as such, else each byte is a character. */
const textOf = (raw: Buffer | string): string => {
  if (typeof raw === 'string') return raw
  const text = raw.toString('utf8')
  return text.includes('\ufffd') ? raw.toString('latin1') : text
}

const pairs = (raw: Dispatcher.DispatchController['rawHeaders']): Header[] => {
  if (!Array.isArray(raw)) return []
  const found: Header[] = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    found.push([titleCase(textOf(raw[index] as Buffer | string)), textOf(raw[index + 1] as Buffer | string)])
  }
  return found
}

const dnsCodes = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME', 'ENODATA', 'ESERVFAIL'])
const refusedCodes = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'EACCES', 'EPERM'])
const timeoutCodes = new Set(['ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])
const tlsCodes = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO$)/

/** Every way that undici, the resolver, TLS and the kernel have of saying no, as one of the contract's reasons. */
const failureOf = (error: unknown): FetchFailed => {
  if (error instanceof FetchFailed) return error
  if (error instanceof TargetRefused) return new FetchFailed('target_refused', error.message, { cause: error })
  // Several addresses were tried and all failed: the first one speaks for them.
  const first: unknown = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error
  if (first instanceof TargetRefused) return failureOf(first)
  const code = String((first as { code?: unknown } | null)?.code ?? '')
  const message = messageOf(first) || code
  const failed = (reason: FetchFailure) => new FetchFailed(reason, message, { cause: error })
  if (dnsCodes.has(code)) return failed('dns')
  if (refusedCodes.has(code)) return failed('refused')
  if (timeoutCodes.has(code)) return failed('timeout')
  if (tlsCodes.test(code)) return failed('tls')
  if (code === 'UND_ERR_HEADERS_OVERFLOW' || code === 'HPE_HEADER_OVERFLOW') return failed('too_large')
  return failed('lost')
}

const gunzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip)
const inflate = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflate)
const inflateRaw = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflateRaw)
const brotli = promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliDecompress)

/** More layers of compression than anybody sends in earnest. */
const maxLayers = 4

/** Undoes what Content-Encoding names; `encodings` is true when something is left that nobody here understands. */
const decompressed = async (
  body: Buffer,
  headers: readonly Header[],
  maxBytes: number,
): Promise<{ body: Buffer; encodings: boolean }> => {
  const named = headers.filter(([name]) => name.toLowerCase() === 'content-encoding').flatMap(([, value]) => value.split(','))
  const layers = named.map((name) => name.trim().toLowerCase()).filter((name) => name !== '' && name !== 'identity')
  if (layers.length > maxLayers) throw new FetchFailed('too_large', `the body is compressed ${layers.length} times`)
  let plain = body
  for (const layer of layers.reverse()) {
    const undone = await undo(layer, plain, maxBytes)
    if (!undone) return { body: plain, encodings: true }
    plain = undone
  }
  return { body: plain, encodings: false }
}

const undo = async (layer: string, body: Buffer, maxBytes: number): Promise<Buffer | null> => {
  if (body.length === 0) return body
  // A transfer that ends early still gives what has come, as browsers show it.
  const lenient = { maxOutputLength: Math.max(maxBytes, 1), finishFlush: zlib.constants.Z_SYNC_FLUSH }
  try {
    switch (layer) {
      case 'gzip':
      case 'x-gzip':
        // Some servers name a compression that they did not apply.
        return body[0] === 0x1f && body[1] === 0x8b ? await gunzip(body, lenient) : body
      case 'deflate':
        return hasZlibHeader(body) ? await inflate(body, lenient) : await inflateRaw(body, lenient)
      case 'br':
        return await brotli(body, { maxOutputLength: lenient.maxOutputLength })
      default:
        return null
    }
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new FetchFailed('too_large', `the decompressed body is larger than ${maxBytes} bytes`, { cause: error })
    }
    throw new FetchFailed('lost', `the body is not valid ${layer}: ${messageOf(error)}`, { cause: error })
  }
}

const hasZlibHeader = (body: Buffer): boolean =>
  body.length > 1 && ((body[0] as number) & 15) === 8 && (((body[0] as number) << 8) | (body[1] as number)) % 31 === 0
