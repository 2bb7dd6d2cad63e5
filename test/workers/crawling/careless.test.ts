import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { type FetchedPage, fetchPage } from '../../../src/workers/crawling/fetch/fetch.ts'
import { createCarelessReader } from '../../../src/workers/crawling/fetch/lenient-response.ts'
import { createTargets } from '../../../src/workers/outbound/address-guard.ts'
import { createConnections } from '../../../src/workers/outbound/connections.ts'
import { headersOf } from '../../../src/workers/outbound/headers.ts'

const megabyte = 1024 * 1024

/** A server that answers with bytes as they are given, and then closes unless told otherwise. */
const openRaw = async (answer: Buffer | string, { closes = true }: { readonly closes?: boolean } = {}) => {
  const heads: string[] = []
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (head) => {
      heads.push(head.toString('latin1'))
      socket.write(typeof answer === 'string' ? Buffer.from(answer, 'latin1') : answer)
      if (closes) socket.end()
    })
    onTestFinished(() => void socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, heads }
}

const connections = createConnections(createTargets({ allowLinkLocal: false, allowPrivate: true }))
const fetched = (url: string, more: object = {}): Promise<FetchedPage> =>
  fetchPage({ url, timeoutMs: 5_000, maxBytes: megabyte, connections, clock: systemClock, ...more })
const lines = (...all: readonly string[]): string => [...all, '', ''].join('\r\n')
const ok = ['HTTP/1.1 200 OK', 'Content-Type: text/html'] as const

test.each<[string, string]>([
  ['lines end with a line feed alone', 'HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: 8\n\n<p>hello'],
  ['a space before the colon', `${lines('HTTP/1.1 200 OK', 'Content-Type : text/html', 'Content-Length : 8')}<p>hello`],
  ['a tab before the colon', `${lines('HTTP/1.1 200 OK', 'Content-Type\t: text/html', 'Content-Length: 8')}<p>hello`],
  ['a folded header', `${lines(...ok, 'X-Policy: a', '  b', 'Content-Length: 8')}<p>hello`],
  ['a length and chunks', `${lines(...ok, 'Content-Length: 8', 'Transfer-Encoding: chunked')}8\r\n<p>hello\r\n0\r\n\r\n`],
  ['the protocol in lower case', `${lines('http/1.1 200 OK', 'Content-Type: text/html', 'Content-Length: 8')}<p>hello`],
  ['no reason', `${lines('HTTP/1.1 200', 'Content-Type: text/html', 'Content-Length: 8')}<p>hello`],
  ['no minor version', `${lines('HTTP/1 200 OK', 'Content-Type: text/html', 'Content-Length: 8')}<p>hello`],
  ['no version', `${lines('HTTP 200 OK', 'Content-Type: text/html', 'Content-Length: 8')}<p>hello`],
  ['an unknown version', `${lines('HTTP/3.7 200 OK', 'Content-Type: text/html', 'Content-Length: 8')}<p>hello`],
  ['two spaces before the status', `${lines('HTTP/1.1  200 OK', 'Content-Type: text/html', 'Content-Length: 8')}<p>hello`],
  ['an empty line first', `\r\n${lines(...ok, 'Content-Length: 8')}<p>hello`],
  ['a header without colon', `${lines(...ok, 'rubbish', 'Content-Length: 8')}<p>hello`],
  ['a header without name', `${lines(...ok, ': rubbish', 'Content-Length: 8')}<p>hello`],
  ['spaces in a name', `${lines(...ok, 'X Powered By: us', 'Content-Length: 8')}<p>hello`],
  ['a control character in a value', `${lines(...ok, 'X-Thing: a\x01b', 'Content-Length: 8')}<p>hello`],
  ['a zero byte in a value', `${lines(...ok, 'X-Thing: a\0b', 'Content-Length: 8')}<p>hello`],
  ['the length twice', `${lines(...ok, 'Content-Length: 8', 'Content-Length: 8')}<p>hello`],
  ['the length as a list', `${lines(...ok, 'Content-Length: 8, 8')}<p>hello`],
  ['lengths that contradict each other', `${lines(...ok, 'Content-Length: 5', 'Content-Length: 8')}<p>hello`],
  ['a negative length', `${lines(...ok, 'Content-Length: -1')}<p>hello`],
  ['a length that is no number', `${lines(...ok, 'Content-Length: many')}<p>hello`],
  ['an empty length', `${lines(...ok, 'Content-Length:')}<p>hello`],
  ['chunks that end with line feeds', `${lines(...ok, 'Transfer-Encoding: chunked')}8\n<p>hello\n0\n\n`],
  ['spaces after a size', `${lines(...ok, 'Transfer-Encoding: chunked')}8  \r\n<p>hello\r\n0\r\n\r\n`],
  ['a size with a prefix', `${lines(...ok, 'Transfer-Encoding: chunked')}0x8\r\n<p>hello\r\n0\r\n\r\n`],
  ['no line end after a chunk', `${lines(...ok, 'Transfer-Encoding: chunked')}8\r\n<p>hello0\r\n\r\n`],
  ['chunks that are none', `${lines(...ok, 'Transfer-Encoding: chunked')}<p>hello`],
  ['an odd Transfer-Encoding', `${lines(...ok, 'Transfer-Encoding: identity, chunked')}8\r\n<p>hello\r\n0\r\n\r\n`],
])('%s: the page is read all the same', async (_what, answer) => {
  const { url, heads } = await openRaw(answer)
  const page = await fetched(url)
  expect(page.body.toString()).toBe('<p>hello')
  expect(page.status).toBe(200)
  expect(page.headers).toContainEqual(['Content-Type', 'text/html'])
  expect(heads.at(-1)).toMatch(/^GET \/ HTTP\/1\.1\r\nHost: 127\.0\.0\.1:\d+\r\n/i)
})

test('a careless origin is asked once from then on, and its answer ends without the connection', async () => {
  const { url, heads } = await openRaw('HTTP/1.1 200 OK\nContent-Length: 2\n\nok', { closes: false })
  const own = createConnections(createTargets({ allowLinkLocal: false, allowPrivate: true }))
  for (let n = 0; n < 3; n++) expect((await fetched(url, { connections: own })).body.toString()).toBe('ok')
  expect(heads.length).toBeLessThanOrEqual(4)
})

test.each<[string, string, string]>([
  ['no HTTP', 'lost', 'this is no HTTP\r\n\r\n'],
  ['only a body', 'lost', '<html>hello</html>'],
  ['a part of the head', 'lost', 'http/1.1 200 OK\r\nContent-Ty'],
  ['a part of the body', 'lost', 'http/1.1 200 OK\r\nContent-Length: 8\r\n\r\n<p>'],
  ['a part of a chunk', 'lost', 'http/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n<p>'],
  ['a chunk without size', 'lost', 'http/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n'],
  ['a huge length', 'too_large', 'http/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n<p>'],
  ['a huge chunk', 'too_large', 'http/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffff\r\n<p>'],
  ['a huge head', 'too_large', `http/1.1 200 OK\r\n${'X: a\r\n'.repeat(20_000)}\r\n`],
  ['a huge body', 'too_large', `http/1.1 200 OK\r\n\r\n${'a'.repeat(megabyte + 1)}`],
  ['interim answers alone', 'lost', `http/1.1 103 Early\r\n\r\n`.repeat(1000)],
])('%s fails as %s', async (_what, reason, answer) => {
  const { url } = await openRaw(answer)
  await expect(fetched(url)).rejects.toMatchObject({ name: 'RequestFailed', reason })
})

test('a response that comes byte by byte is the same, and costs no more than its bytes', () => {
  const body = 'b'.repeat(20_000)
  const chunks = [...body].map((letter) => `1\n${letter}\n`).join('')
  const whole = Buffer.from(`http/1.1 200 OK\nTransfer-Encoding: chunked\nX: ${'a'.repeat(30_000)}\n\n${chunks}0\n\n`, 'latin1')
  const reader = createCarelessReader({ maxBytes: megabyte })
  for (let index = 0; index < whole.length; index++) reader.push(whole.subarray(index, index + 1))
  expect(reader.end()).toMatchObject({ status: 200, body: Buffer.from(body) })
})

const encoded = (encoding: string, body: Buffer): Buffer =>
  Buffer.concat([Buffer.from(lines(...ok, `Content-Encoding: ${encoding}`, `Content-Length: ${body.length}`), 'latin1'), body])
const page = Buffer.from(`<p>hello, ${'world '.repeat(200)}`)

test.each<[string, Buffer, Buffer]>([
  ['zstd', zstdCompressSync(page), page],
  ['ZSTD', zstdCompressSync(page), page],
  ['zstd', Buffer.from('28b52ffd20129100003c703e68656c6c6f2c207a7374643c2f703e', 'hex'), Buffer.from('<p>hello, zstd</p>')],
  ['gzip, zstd', zstdCompressSync(gzipSync(page)), page],
  ['zstd', page, page],
  ['br', page, page],
  ['br', Buffer.from('<p>plain'), Buffer.from('<p>plain')],
  ['deflate', page, page],
  ['deflate', Buffer.from('<p>plain'), Buffer.from('<p>plain')],
  ['deflate', Buffer.from('x'), Buffer.from('x')],
  ['gzip', page, page],
  ['x-gzip', gzipSync(page), page],
  ['br', brotliCompressSync(Buffer.alloc(0)), Buffer.alloc(0)],
  ['gzip', Buffer.concat([gzipSync(page), Buffer.from('rubbish')]), page],
  ['gzip', Buffer.concat([gzipSync('<p>'), gzipSync('hello')]), Buffer.from('<p>hello')],
])('a body in %s is given as it was meant', async (encoding, body, expected) => {
  const { url } = await openRaw(encoded(encoding, body))
  const answered = await fetched(url)
  expect(answered.body.toString('latin1')).toBe(expected.toString('latin1'))
  expect(answered.headers.some(([name]) => name === 'Content-Encoding')).toBe(false)
})

test('a compressed body that breaks off gives what came of it', async () => {
  const letters = Buffer.from(Array.from({ length: 200_000 }, (_, index) => 97 + (((index * 2_654_435_761) >>> 7) % 26)))
  for (const [encoding, body] of [
    ['gzip', gzipSync(letters)],
    ['deflate', deflateSync(letters)],
    ['br', brotliCompressSync(letters)],
    ['zstd', zstdCompressSync(letters)],
  ] as const) {
    const broken = Buffer.concat([body.subarray(0, body.length - 20), Buffer.alloc(20, 0xff)])
    const { url } = await openRaw(encoded(encoding, broken))
    const { body: got } = await fetched(url)
    expect([encoding, letters.subarray(0, 1000).equals(got.subarray(0, 1000))]).toEqual([encoding, true])
  }
})

test.each([
  ['gzip', gzipSync(Buffer.alloc(8 * megabyte))],
  ['br', brotliCompressSync(Buffer.alloc(8 * megabyte))],
  ['zstd', zstdCompressSync(Buffer.alloc(8 * megabyte))],
  ['deflate', deflateSync(Buffer.alloc(8 * megabyte))],
])('a bomb of %s is refused', async (encoding, bomb) => {
  const { url } = await openRaw(encoded(encoding, bomb))
  await expect(fetched(url)).rejects.toMatchObject({ reason: 'too_large' })
})

test('a Location keeps its bytes', async () => {
  const { url } = await openRaw('HTTP/1.1 302 Found\r\nLocation: /caf\xe9?q=\xc3\xa9\r\nContent-Length: 0\r\n\r\n')
  expect((await fetched(url)).location).toBe('/caf%E9?q=%C3%A9')
  const careless = await openRaw('HTTP/1.1 302 Found\nLocation: /caf\xe9\n\n')
  expect((await fetched(careless.url)).location).toBe('/caf%E9')
})

const chunked = 'HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n'
test.each([
  ['empty lines before the status', '\n'.repeat(5_000), 'too_large'],
  ['headers', `HTTP/1.1 200 OK\n${'a:\n'.repeat(5_000)}`, 'too_large'],
  ['lines between two chunks', `${chunked}1\nx\n${'\n'.repeat(200)}`, 'lost'],
  ['lines after the last chunk', `${chunked}0\n${'a:\n'.repeat(5_000)}`, 'too_large'],
])('%s have an end', (_what, text, reason) => {
  const { push } = createCarelessReader({ maxBytes: megabyte })
  expect(() => push(Buffer.from(text))).toThrow(expect.objectContaining({ reason }))
})

test('headers beyond two thousand are left out', () => {
  const raw = Array.from({ length: 10_000 }, (_, index) => Buffer.from(index % 2 === 0 ? `X-${index}` : 'v'))
  expect(headersOf(raw).received).toHaveLength(2_000)
})
