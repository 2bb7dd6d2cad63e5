import type { Clock } from '../../../lib/clock.ts'
import { version } from '../../../lib/version.ts'
import type { Connections } from '../../outbound/connections.ts'
import { type Header, titleCase } from '../../outbound/headers.ts'
import { isMalformedHttp, RequestFailed } from '../../outbound/request-failure.ts'
import { undoEncodings } from './content-encoding.ts'
import { transferCarelessly } from './lenient-transfer.ts'
import { type TransferOptions, type Transferred, transfer } from './transfer.ts'

/** One response, whole. `headers` are as received, but without a Content-Encoding that has been undone. */
export interface FetchedPage {
  readonly status: number
  /** The URL that answered, without user and password. */
  readonly responseUrl: string
  readonly headers: readonly Header[]
  /** The header Location with each byte outside ASCII escaped as it came. */
  readonly location?: string
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
  readonly signal?: AbortSignal | undefined
  readonly connections: Connections
  readonly clock: Clock
}

/** What a crawl calls itself unless it says otherwise. */
export const defaultUserAgent = `Intendant/${version}`

/** What every request of a crawl says of itself unless its crawl says otherwise; the original's own defaults but for its name. */
const standardHeaders: Readonly<Record<string, string>> = {
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'Accept-Language': 'en',
  'Accept-Encoding': 'gzip,deflate',
  'User-Agent': defaultUserAgent,
}

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

const allHeaders = (extra: Readonly<Record<string, string>> = {}): Header[] => {
  const all: Record<string, string> = { ...standardHeaders }
  for (const name of Object.keys(extra)) all[titleCase(name)] = extra[name] as string
  return Object.entries(all)
}

/**
 * Fetches one URL with GET. Redirects are answers like any other. Throws `RequestFailed` when there is no response, or too much of
 * one, and the signal's reason when it aborts.
 */
export const fetchPage = async ({ url, headers, signal, ...options }: FetchOptions): Promise<FetchedPage> => {
  signal?.throwIfAborted()
  const target = URL.parse(url)
  if (!target || !['http:', 'https:'].includes(target.protocol)) {
    throw new RequestFailed('unsupported_scheme', target ? `the scheme ${target.protocol} is not supported` : 'this is not a URL')
  }
  target.username = ''
  target.password = ''
  const requestHeaders = allHeaders(headers)
  const startedAt = options.clock.monotonic()
  const { status, received, location, body } = await transferWithin({ ...options, target, requestHeaders, signal })
  const plain = await undoEncodings(body, received, options.maxBytes)
  return {
    status,
    responseUrl: target.href,
    headers: plain.isLeft ? received : received.filter(([name]) => name !== 'Content-Encoding'),
    ...(location === undefined ? {} : { location }),
    requestHeaders,
    body: plain.body,
    durationMs: Math.round(options.clock.monotonic() - startedAt),
  }
}

/** Asks once, and where the answer is careless about HTTP/1.1 a second time; an origin that was careless is read leniently at once. */
const transferWithin = async ({
  timeoutMs,
  clock,
  signal,
  ...asked
}: Omit<TransferOptions, 'signal'> & Pick<FetchOptions, 'timeoutMs' | 'clock' | 'signal'>): Promise<Transferred> => {
  const ending = new AbortController()
  const onAbort = (): void => ending.abort(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  const stopTimer = clock.after(timeoutMs, () =>
    ending.abort(new RequestFailed('timeout', `no complete response within ${timeoutMs} ms`)),
  )
  const options = { ...asked, signal: ending.signal }
  const { careless } = asked.connections
  const { origin } = asked.target
  try {
    if (careless.has(origin)) return await transferCarelessly(options)
    return await transfer(options).catch(async (error: unknown) => {
      if (!(error instanceof RequestFailed && isMalformedHttp(error.cause))) throw error
      const transferred = await transferCarelessly(options)
      careless.add(origin)
      return transferred
    })
  } finally {
    stopTimer()
    signal?.removeEventListener('abort', onAbort)
  }
}
