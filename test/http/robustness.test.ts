import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { operation } from '../../src/commands/operation.ts'
import { buildServer } from '../../src/http/server/server.ts'
import { newId } from '../../src/lib/ids.ts'
import { startApp, useApp } from './app.ts'
import { follow } from './follow.ts'
import { sayTo } from './raw.ts'

const server = useApp()

const say = (...parts: readonly (string | Uint8Array)[]): Promise<string> => sayTo(server.it.url, ...parts)
const get = (path: string, ...headers: readonly string[]) =>
  say(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers.map((header) => `${header}\r\n`).join('')}Connection: close\r\n\r\n`)

describe('absurd requests are answered, not survived by chance', () => {
  test('headers that are too large', async () => {
    const heard = await get('/livez', `X-Long: ${'x'.repeat(40_000)}`)
    expect(heard).toMatch(/^HTTP\/1\.1 431 /)
    expect(heard).toContain('urn:intendant:problem:header-too-large')
  })

  test.each([
    'NONSENSE\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'GET /livez HTTP/1.1\r\nHost: localhost\r\nBad Header\r\n\r\n',
    'GET /livez HTTP/1.1\r\n\r\n',
    '\u0016\u0003\u0001',
  ])('%j', async (bytes) => {
    const heard = await say(bytes)
    expect(heard).toMatch(/^HTTP\/1\.1 400 /)
    expect(heard).toMatch(/\r\ntraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01\r\n/)
  })

  test.each([
    ['POST /v1/blobs', 'Content-Length: 99999999999', 413],
    ['POST /v1/blobs', 'Content-Length: 5\r\nRepr-Digest: none', 400],
    ['POST /v1/operations', 'Content-Length: 5\r\nContent-Type: text/plain', 415],
    ['POST /v1/operations', 'Content-Length: 99999999\r\nContent-Type: application/json', 413],
    ['POST /v1/nothing', 'Content-Length: 5', 404],
    ['PUT /v1/kinds', 'Content-Length: 5', 405],
  ])('a body that is announced by Expect and refused by its head is not asked for: %s, %s', async (line, headers, status) => {
    const heard = await say(`${line} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\nExpect: 100-continue\r\n\r\n`)
    expect(heard).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(heard).toMatch(/\r\nConnection: close\r\n/)
  })

  test.each([
    ['POST /v1/blobs', 'hello', 201],
    ['POST /v1/operations', '{"kind":"probe","input":{}}', 202],
  ])('a body that is announced by Expect is asked for once: %s', async (line, body, status) => {
    const headers = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\nConnection: close`
    const socket = connect(Number(new URL(server.it.url).port), '127.0.0.1')
    let heard = ''
    socket.setEncoding('utf8').on('data', (text) => (heard += text))
    socket.write(`${line} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n`)
    await expect.poll(() => heard, { timeout: 20_000 }).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    socket.write(body)
    await new Promise((resolve) => socket.on('close', resolve))
    expect(heard.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 100', `HTTP/1.1 ${status}`])
  })

  test('a smuggled body is not taken', async () => {
    const heard = await say(
      'POST /v1/operations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n',
    )
    expect(heard).toMatch(/^HTTP\/1\.1 400 /)
    expect(heard).not.toContain('200 OK')
  })

  test('CONNECT and odd methods', async () => {
    expect(await say('CONNECT x:443 HTTP/1.1\r\nHost: localhost\r\n\r\n')).toMatch(/^HTTP\/1\.1 405 /)
    expect(await say('TRACE /v1/kinds HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 405 /)
    expect(await say('PROPFIND /v1/kinds HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 405 /)
  })

  test.each([
    '/v1/../v1/kinds',
    '//v1/kinds',
    '/v1/kinds?',
    '/%76%31/kinds',
    '/v1/kinds#x',
    '/v1/operations/%E0%A4%A',
    '/\\v1',
    '*',
    'http://y/v1/kinds',
  ])('GET %s', async (path) => {
    expect(await get(path)).toMatch(/^HTTP\/1\.1 [24]\d\d /)
  })

  test.each([
    'Event-Position: \u00ff',
    'If-None-Match: ,,,"',
    'Accept: ;;;,,q=',
    'Prefer: wait=99999999999999999999',
    'traceparent: \u00e9',
    'Range: bytes=0-1',
    'Authorization: Bearer',
    'Host: a b',
  ])('%s', async (header) => {
    expect(await get('/v1/events', header)).toMatch(/^HTTP\/1\.1 [24]\d\d /)
  })

  test('a client that goes away in the middle of its body', async () => {
    const { hostname, port } = new URL(server.it.url)
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(
          'POST /v1/operations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"kind"',
          () => socket.destroy(),
        )
      })
      socket.on('close', () => resolve())
    })
    expect((await server.it.ask('GET /livez')).status).toBe(200)
  })

  test('a hundred clients that never finish their headers leave room for others', async () => {
    const { hostname, port } = new URL(server.it.url)
    const sockets = Array.from({ length: 100 }, () => {
      const socket = connect(Number(port), hostname, () => socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: '))
      return socket.on('error', () => {})
    })
    expect((await server.it.ask('GET /livez')).status).toBe(200)
    for (const socket of sockets) socket.destroy()
  })
})

test('more requests at a time than it can hold are refused, health is still told', async () => {
  const { app, probe, stop } = await startApp()
  const crowded = buildServer(app.ports, [], { mostAtATime: 2 })
  const ask = (path: string) => crowded.fetch(new Request(`http://localhost${path}`))
  const { json } = await probe({}, { runAt: '2099-01-01T00:00:00Z' })
  const waiting = [1, 2].map(() => ask(`/v1/operations/${json.id}?wait=60`))
  const refused = await ask('/v1/kinds')
  expect([refused.status, refused.headers.get('retry-after'), refused.headers.get('content-type')]).toEqual([
    503,
    '1',
    'application/problem+json',
  ])
  expect(await refused.json()).toMatchObject({ type: 'urn:intendant:problem:overloaded', instance: '/v1/kinds' })
  expect((await ask('/livez')).status).toBe(200)
  await app.ports.executor.execute(
    operation,
    { type: 'CancelOperation', id: json.id, reason: null },
    {
      commandId: newId(),
      correlationId: newId(),
      actor: { principal: 'test', face: null, address: null },
    },
  )
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200])
  expect((await ask('/v1/kinds')).status).toBe(200)
  await crowded.close()
  await stop()
})

describe('the life of a server', () => {
  test('waits and event streams end with it, and writes are refused while it drains', async () => {
    const { app, ask, url, stop } = await startApp()
    const { json } = await ask('POST /v1/operations', { body: { kind: 'probe', input: {}, runAt: '2099-01-01T00:00:00Z' } })
    const waiting = ask(`GET /v1/operations/${json.id}?wait=60`)
    const stream = await follow(`${url}/v1/events`)
    await stream.take(1)
    const health = app.ports.health as unknown as { draining(): void }
    health.draining()
    const refused = await ask('POST /v1/operations', { body: { kind: 'probe', input: {} } })
    expect([refused.status, refused.json.type, refused.headers.get('retry-after')]).toEqual([
      503,
      'urn:intendant:problem:draining',
      '1',
    ])
    const ready = await ask('GET /readyz')
    expect([ready.status, ready.json.status]).toEqual([503, 'draining'])
    expect((await ask('GET /livez')).status).toBe(200)
    const began = performance.now()
    const stopped = stop()
    expect((await waiting).status).toBe(200)
    await expect(stream.take(1)).rejects.toThrow('ended')
    await stopped
    expect(performance.now() - began).toBeLessThan(8_000)
  })

  test('a server that starts says so', async () => {
    const { buildApp } = await import('../../src/app.ts')
    const { loadConfig } = await import('../../src/config.ts')
    const { pino } = await import('pino')
    const { mkdtempSync, rmSync } = await import('node:fs')
    const dataDir = mkdtempSync('/tmp/intendant-starting-')
    const app = await buildApp(loadConfig({ PORT: '0', DATA_DIR: dataDir }), { logger: pino({ level: 'silent' }) })
    const ask = async (path: string) => {
      const response = await app.fetch(new Request(`http://localhost${path}`))
      return [response.status, (await response.json()) as Record<string, unknown>] as const
    }
    expect(await ask('/readyz')).toMatchObject([503, { status: 'starting' }])
    expect(await ask('/v1/operations')).toMatchObject([503, { type: 'urn:intendant:problem:not-caught-up' }])
    expect(await ask('/livez')).toMatchObject([200, { status: 'ok' }])
    await app.start()
    expect(await ask('/readyz')).toMatchObject([200, { status: 'ready' }])
    await app.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })
})
