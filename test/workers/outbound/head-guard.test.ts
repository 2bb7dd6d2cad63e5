import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { transfer } from '../../../src/workers/crawling/fetch/transfer.ts'
import { createTargets } from '../../../src/workers/outbound/address-guard.ts'
import { createConnections } from '../../../src/workers/outbound/connections.ts'

const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
const answers: Record<string, string> = {
  '/headers': `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(100_000)}\r\n`,
  '/no-values': `HTTP/1.1 200 OK\r\n${'X:\r\n'.repeat(100_000)}\r\n`,
  '/trailers': `${chunked}1\r\na\r\n0\r\n${'X: y\r\n'.repeat(100_000)}\r\n`,
  '/interim': `HTTP/1.1 103 Early Hints\r\n${'X: y\r\n'.repeat(20_000)}\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`,
  '/some-headers': `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${'X: y\r\n'.repeat(3_000)}\r\nok`,
  '/some-trailers': `${chunked}2\r\nok\r\n0\r\n${'X: y\r\n'.repeat(1_000)}\r\n`,
  '/lines': `HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n${'\n'.repeat(100_000)}`,
  '/tiny-chunks': `${chunked}${'1\r\na\r\n'.repeat(20_000)}0\r\n\r\n`,
  '/empty': `HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${'X: y\r\n'.repeat(100)}\r\n`,
}

let connected = 0
const server = createServer((socket) => {
  connected++
  socket.on('error', () => {}).on('data', (request) => socket.write(answers[`${request}`.split(' ')[1] ?? ''] ?? ''))
})
const connections = createConnections(createTargets({ allowLinkLocal: false, allowPrivate: true }))

beforeAll(() => once(server.listen(0, '127.0.0.1'), 'listening'))
afterAll(() => void server.close())

const get = (path: string) =>
  transfer({
    target: new URL(path, `http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    requestHeaders: [],
    maxBytes: 1_000_000,
    signal: AbortSignal.timeout(30_000),
    connections,
  })

test.each(['/headers', '/no-values', '/trailers', '/interim'])(
  'an answer with too many lines of headers is left: %s',
  async (path) => {
    await expect(get(path)).rejects.toMatchObject({
      reason: 'too_large',
      retryable: false,
      message: 'the headers have more than 4000 lines',
    })
  },
)

test.each([
  ['/some-headers', 2],
  ['/some-trailers', 2],
  ['/lines', 100_000],
  ['/tiny-chunks', 20_000],
])('lines that are no headers, or not too many, are taken: %s', async (path, bytes) => {
  const { status, body } = await get(path)
  expect([status, body.length]).toEqual([200, bytes])
})

test('the lines of one answer do not count for the next on the same connection', async () => {
  await get('/empty')
  const before = connected
  for (let count = 0; count < 60; count++) expect(await get('/empty')).toMatchObject({ status: 200 })
  expect(connected).toBe(before)
})
