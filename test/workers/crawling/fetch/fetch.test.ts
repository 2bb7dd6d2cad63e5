import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createSocketServer, type Socket } from 'node:net'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../../src/lib/clock.ts'
import { crawlHeaders, type FetchOptions, fetchPage } from '../../../../src/workers/crawling/fetch/fetch.ts'
import { createTargets } from '../../../../src/workers/outbound/address-guard.ts'
import { createConnections } from '../../../../src/workers/outbound/connections.ts'
import { RequestFailed } from '../../../../src/workers/outbound/request-failure.ts'

const megabyte = 1024 * 1024
const connections = createConnections(createTargets({ allowLinkLocal: false, allowPrivate: true }))

/** A page of 30 MiB, sent without saying so beforehand. */
const sendHuge = (response: ServerResponse): void => {
  const chunk = Buffer.alloc(megabyte, 'a')
  let left = 30
  const send = (): void => {
    while (left > 0) {
      left--
      if (!response.write(chunk)) return void response.once('drain', send)
    }
    response.end()
  }
  send()
}

const pages: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
  '/plain': (_request, response) => response.writeHead(200, { 'Content-Type': 'text/plain' }).end('hello'),
  '/echo': (request, response) => response.end(JSON.stringify(request.rawHeaders)),
  '/missing': (_request, response) => response.writeHead(404).end('not here'),
  '/moved': (_request, response) => response.writeHead(302, { Location: '/plain' }).end('moved'),
  '/cookies': (_request, response) => response.setHeader('set-cookie', ['a=1', 'b=2']).setHeader('x-thing', 'é').end(),
  '/huge': (_request, response) => sendHuge(response),
  '/announced': (_request, response) => void response.writeHead(200, { 'Content-Length': 30 * megabyte }).write('a'),
  '/never': () => {},
  '/stalls': (_request, response) => void response.writeHead(200, { 'Content-Length': 10 }).write('abc'),
  '/drips': (_request, response) => {
    const drip = () => void response.write('.', () => !response.destroyed && systemClock.after(20, drip))
    drip()
  },
  '/reset': (request) => request.socket.resetAndDestroy(),
  '/cut': (request, response) => {
    response.writeHead(200, { 'Content-Length': 10 })
    response.write('abc', () => request.socket.destroy())
  },
  '/gzip': (_request, response) => response.setHeader('Content-Encoding', 'gzip').end(gzipSync('squeezed')),
  '/deflate': (_request, response) => response.setHeader('Content-Encoding', 'deflate').end(deflateSync('squeezed')),
  '/deflate-raw': (_request, response) => response.setHeader('Content-Encoding', 'deflate').end(deflateRawSync('squeezed')),
  '/br': (_request, response) => response.setHeader('Content-Encoding', 'br').end(brotliCompressSync('squeezed')),
  '/twice': (_request, response) =>
    response.setHeader('Content-Encoding', 'gzip, br').end(brotliCompressSync(gzipSync('squeezed'))),
  '/cut-gzip': (_request, response) =>
    response.setHeader('Content-Encoding', 'gzip').end(gzipSync('squeezed '.repeat(99)).subarray(0, -9)),
  '/not-gzip': (_request, response) => response.setHeader('Content-Encoding', 'gzip').end('plain all along'),
  '/bad-gzip': (_request, response) =>
    response.setHeader('Content-Encoding', 'gzip').end(Buffer.concat([gzipSync('x').subarray(0, 10), Buffer.alloc(20, 0xff)])),
  '/bomb': (_request, response) => response.setHeader('Content-Encoding', 'gzip').end(gzipSync(Buffer.alloc(64 * megabyte))),
  '/unknown-encoding': (_request, response) => response.setHeader('Content-Encoding', 'pack200').end('packed'),
}

let site = ''
let silent = 0
let garbled = 0
const sockets = new Set<Socket>()
const server = createServer((request, response) => pages[request.url ?? '']?.(request, response))
/** Accepts and never says a word. */
const silentServer = createSocketServer((socket) => void sockets.add(socket))
const garbledServer = createSocketServer((socket) => void socket.end('this is no HTTP\r\n\r\n'))

const portOf = (listening: { address(): unknown }): number => (listening.address() as AddressInfo).port

beforeAll(async () => {
  for (const each of [server, silentServer, garbledServer]) {
    await new Promise<void>((resolve) => each.listen(0, '127.0.0.1', resolve))
  }
  site = `http://127.0.0.1:${portOf(server)}`
  silent = portOf(silentServer)
  garbled = portOf(garbledServer)
})

afterAll(() => {
  server.closeAllConnections()
  for (const socket of sockets) socket.destroy()
  for (const each of [server, silentServer, garbledServer]) each.close()
})

const fetched = (url: string, options: Partial<FetchOptions> = {}) =>
  fetchPage({
    url: url.startsWith('/') ? site + url : url,
    timeoutMs: 10_000,
    maxBytes: megabyte,
    connections,
    clock: systemClock,
    ...options,
  })

const failed = async (url: string, options: Partial<FetchOptions> = {}): Promise<RequestFailed> => {
  const error = await fetched(url, options).then(
    () => 'no failure',
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(RequestFailed)
  return error as RequestFailed
}

test('a page comes whole, with its headers in title case', async () => {
  const page = await fetched('/plain')
  expect(page).toMatchObject({ status: 200, responseUrl: `${site}/plain` })
  expect(page.body.toString()).toBe('hello')
  expect(page.headers).toContainEqual(['Content-Type', 'text/plain'])
  expect(page.durationMs).toBeGreaterThanOrEqual(0)
})

test('the request says what Scrapy says, and what the crawl wants instead', async () => {
  const headers = crawlHeaders({ useragent: 'Tester/1 ☃', cookie: ' a=1;b=2; ', referer: 'http://example.com/' })
  const page = await fetched('/echo#part', { headers })
  expect(page.requestHeaders).toEqual([
    ['Accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'],
    ['Accept-Language', 'en'],
    ['Accept-Encoding', 'gzip,deflate'],
    ['User-Agent', 'Tester/1 ☃'],
    ['Cookie', 'a=1; b=2'],
    ['Referer', 'http://example.com/'],
  ])
  const sent = JSON.parse(page.body.toString()) as string[]
  expect(sent).toContain('a=1; b=2')
  expect(Buffer.from(sent[sent.indexOf('User-Agent') + 1] ?? '', 'latin1').toString()).toBe('Tester/1 ☃')
  expect(page.responseUrl).toBe(`${site}/echo#part`)
})

test('nothing that a crawl brings breaks out of its header', async () => {
  const page = await fetched('/echo', { headers: { 'user-agent': 'a\r\nX-Evil: 1' } })
  expect(JSON.parse(page.body.toString())).toContain('aX-Evil: 1')
})

test('a redirect is an answer like any other', async () => {
  const page = await fetched('/moved')
  expect(page).toMatchObject({ status: 302, responseUrl: `${site}/moved` })
  expect(page.headers).toContainEqual(['Location', '/plain'])
})

test('an error status is an answer too', async () => {
  expect(await fetched('/missing')).toMatchObject({ status: 404 })
})

test('repeated headers stay apart', async () => {
  const { headers } = await fetched('/cookies')
  expect(headers.filter(([name]) => name === 'Set-Cookie').map(([, value]) => value)).toEqual(['a=1', 'b=2'])
  expect(headers).toContainEqual(['X-Thing', 'é'])
})

test.each(['/gzip', '/deflate', '/deflate-raw', '/br', '/twice'])(
  '%s is decompressed, and its Content-Encoding gone',
  async (path) => {
    const page = await fetched(path)
    expect(page.body.toString()).toBe('squeezed')
    expect(page.headers.map(([name]) => name)).not.toContain('Content-Encoding')
  },
)

test('a gzip stream that was cut gives what came, one that never was one is left alone', async () => {
  expect((await fetched('/cut-gzip')).body.toString()).toMatch(/^squeezed squeezed/)
  expect((await fetched('/not-gzip')).body.toString()).toBe('plain all along')
  const unknown = await fetched('/unknown-encoding')
  expect(unknown.body.toString()).toBe('packed')
  expect(unknown.headers).toContainEqual(['Content-Encoding', 'pack200'])
})

test.each(['/huge', '/announced', '/bomb'])('%s is refused at the cap', async (path) => {
  expect(await failed(path)).toMatchObject({ reason: 'too_large', retryable: false })
})

test('a page of 30 MiB comes when the cap allows it', async () => {
  expect((await fetched('/huge', { maxBytes: 31 * megabyte })).body.length).toBe(30 * megabyte)
})

test.each(['/never', '/stalls', '/drips'])('%s ends at the time-out, which is for the whole body', async (path) => {
  expect(await failed(path, { timeoutMs: 150 })).toMatchObject({ reason: 'timeout', retryable: true })
})

test('a server that accepts and is silent ends at the time-out, with and without TLS', async () => {
  expect(await failed(`http://127.0.0.1:${silent}/`, { timeoutMs: 100 })).toMatchObject({ reason: 'timeout' })
  expect(await failed(`https://127.0.0.1:${silent}/`, { timeoutMs: 100 })).toMatchObject({ reason: 'timeout' })
})

test('connections that end early are lost', async () => {
  for (const url of ['/reset', '/cut', '/bad-gzip', `http://127.0.0.1:${garbled}/`]) {
    expect(await failed(url)).toMatchObject({ reason: 'lost', retryable: true })
  }
})

test('nobody there, no such name, no TLS', async () => {
  const closed = createSocketServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => closed.once('listening', resolve))
  const port = portOf(closed)
  await new Promise((resolve) => closed.close(resolve))
  expect(await failed(`http://127.0.0.1:${port}/`)).toMatchObject({ reason: 'refused', retryable: true })
  expect(await failed('http://no-such-host.invalid/')).toMatchObject({ reason: 'dns', retryable: true })
  expect(await failed(site.replace('http:', 'https:'))).toMatchObject({ reason: 'tls', retryable: true })
})

test.each(['ftp://example.com/', 'host:80/x', 'mailto:a@b.c', 'http://', 'not a url'])('%j cannot be fetched', async (url) => {
  expect(await failed(url)).toMatchObject({ reason: 'unsupported_scheme', retryable: false })
})

test('an abort ends the fetch with its own reason, and the connection with it', async () => {
  const stop = new AbortController()
  const seen = new Promise<Socket>((resolve) => silentServer.once('connection', resolve))
  const fetching = fetched(`http://127.0.0.1:${silent}/`, { signal: stop.signal })
  const socket = await seen
  const gone = new Promise((resolve) => socket.on('error', resolve).once('close', resolve))
  stop.abort(new Error('cancelled'))
  socket.resume()
  await expect(fetching).rejects.toThrow('cancelled')
  await gone
  await expect(fetched('/plain', { signal: stop.signal })).rejects.toThrow('cancelled')
})

test.each(['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1', '0.0.0.0'])(
  'a crawl that may not reach private addresses does not reach %s',
  async (host) => {
    const strict = createConnections(createTargets({ allowLinkLocal: false, allowPrivate: false }))
    const url = site.replace('127.0.0.1', host)
    expect(await failed(`${url}/plain`, { connections: strict })).toMatchObject({ reason: 'target_refused', retryable: false })
  },
)

test('cloud metadata is out of reach where private addresses are not', async () => {
  expect(await failed('http://169.254.169.254/latest/meta-data/')).toMatchObject({ reason: 'target_refused' })
})

/** Answers over connections that it closes as soon as nobody uses them; counts them. */
const hasty = async (answer: (socket: Socket, requests: number) => void) => {
  let connectionsMade = 0
  const hastyServer = createSocketServer((socket) => {
    connectionsMade++
    let requests = 0
    socket.on('error', () => {})
    socket.on('data', () => answer(socket, ++requests))
  })
  await new Promise<void>((resolve) => hastyServer.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void hastyServer.close())
  return { url: `http://127.0.0.1:${portOf(hastyServer)}/`, made: () => connectionsMade }
}
const okay = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

test('pages of one origin come over one connection, one after the other', async () => {
  const { url, made } = await hasty((socket) => socket.write(okay))
  for (let count = 0; count < 5; count++) expect((await fetched(url)).body.toString()).toBe('ok')
  expect(made()).toBe(1)
})

test('an origin that closes a kept connection gets a new one for each page from then on', async () => {
  const { url, made } = await hasty((socket, requests) => (requests === 1 ? socket.write(okay) : socket.resetAndDestroy()))
  expect((await fetched(url)).body.toString()).toBe('ok')
  expect(await failed(url)).toMatchObject({ reason: 'lost', retryable: true })
  for (let count = 0; count < 3; count++) expect((await fetched(url)).body.toString()).toBe('ok')
  expect(made()).toBe(4)
})

test('a request that is not answered is sent once', async () => {
  let sent = 0
  const { url } = await hasty((socket) => (++sent === 1 ? socket.write(okay) : socket.resetAndDestroy()))
  await fetched(url)
  expect(await failed(url)).toMatchObject({ reason: 'lost' })
  expect(sent).toBe(2)
})

test('an address that is not allowed is not reached over a connection of somebody who may reach it', async () => {
  await fetched('/plain')
  const strict = createConnections(createTargets({ allowLinkLocal: false, allowPrivate: false }))
  expect(await failed('/plain', { connections: strict })).toMatchObject({ reason: 'target_refused' })
})
