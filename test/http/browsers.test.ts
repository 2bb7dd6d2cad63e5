import { describe, expect, test } from 'vitest'
import { useApp } from './app.ts'
import { sayTo } from './raw.ts'

const server = useApp({
  ALLOWED_HOSTS: 'ops.example.com, *.lab.example.com other.example.com:81',
  ALLOWED_ORIGINS: 'https://ui.example.com/',
})

interface Sent {
  readonly target?: string
  readonly method?: string
  readonly headers?: readonly string[]
  readonly body?: string
}

const send = async ({ target = '/v1/kinds', method = 'GET', headers = [], body = '' }: Sent) => {
  const length = body === '' ? [] : [`Content-Length: ${body.length}`]
  const lines = [`${method} ${target} HTTP/1.1`, ...headers, ...length, 'Connection: close']
  const heard = await sayTo(server.it.url, `${lines.join('\r\n')}\r\n\r\n${body}`)
  const [head = '', answer = ''] = heard.split('\r\n\r\n', 2)
  return { status: Number(head.split(' ')[1]), head: head.toLowerCase(), body: answer }
}
const post = (headers: readonly string[], target = '/v1/operations') =>
  send({
    method: 'POST',
    target,
    headers: ['Host: localhost', 'Content-Type: application/json', ...headers],
    body: '{"kind":"probe","input":{}}',
  })

describe('the host that a request names', () => {
  test.each([
    'localhost',
    'LOCALHOST:8080',
    'localhost.',
    'app.localhost:3000',
    '127.0.0.1',
    '127.0.0.1:8080',
    '127.255.0.9',
    '127.1:80',
    '[::1]',
    '[::1]:8080',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]:8080',
    'ops.example.com',
    'OPS.example.com.:8443',
    'a.b.lab.example.com',
    'other.example.com:81',
  ])('%s is this server', async (host) => {
    expect(await send({ headers: [`Host: ${host}`] })).toMatchObject({ status: 200 })
  })

  test.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'xlocalhost',
    'localhost..',
    '0.0.0.0',
    '10.0.0.1:8080',
    '126.255.255.255',
    '[::]',
    '[::ffff:10.0.0.1]',
    'lab.example.com',
    'other.example.com',
    'other.example.com:82',
    '',
  ])('%j is another one', async (host) => {
    for (const target of ['/v1/kinds', '/livez', '/docs', '/v1/nothing']) {
      const { status, body } = await send({ target, headers: [`Host: ${host}`] })
      expect(status).toBe(421)
      expect(body).toContain('urn:intendant:problem:misdirected')
    }
    const index = await send({ target: '/', headers: [`Host: ${host}`] })
    expect(index).toMatchObject({ status: 421 })
    expect(JSON.parse(index.body)).toMatchObject({ status: 'FAILURE', data: null, error: { message: expect.any(String) } })
  })

  test.each([
    [['Host: localhost', 'Host: localhost']],
    [['Host: localhost', 'host: evil.example']],
    [[]],
    [['Host: a/b']],
    [['Host: localhost/x?@evil']],
    [['Host: user@localhost']],
    [['Host: localhost:99999']],
    [['Host: localhost:80:80']],
    [['Host: [::1']],
    [['Host: \u00e4.example']],
    [['Host: l%6fcalhost']],
  ])('%j is 400, in the words of each face', async (headers) => {
    const native = await send({ headers })
    expect(native).toMatchObject({ status: 400, body: expect.stringContaining('urn:intendant:problem:invalid') })
    const feed = await send({ target: '/feed', headers })
    expect(feed.status).toBe(400)
    expect(JSON.parse(feed.body)).toMatchObject({ status: 'FAILURE', data: null })
  })

  test('a target may be absolute, its scheme in any case; both hosts count', async () => {
    const host = ['Host: localhost']
    for (const target of ['http://localhost/v1/kinds', 'HTTPS://LOCALHOST:8080/v1/kinds?', 'Http://[::1]/v1/kinds'])
      expect(await send({ target, headers: host })).toMatchObject({ status: 200 })
    expect(await send({ target: 'http://localhost', headers: host })).toMatchObject({ status: 200 })
    expect(await send({ target: 'http://evil.example/v1/kinds', headers: host })).toMatchObject({ status: 421 })
    expect(await send({ target: 'http://localhost/v1/kinds', headers: ['Host: evil.example'] })).toMatchObject({ status: 421 })
    expect(await send({ target: 'http://user@localhost/v1/kinds', headers: host })).toMatchObject({ status: 400 })
    const { status, body } = await send({ target: 'HTTP://localhost/v1/nothing?x=1', headers: host })
    expect({ status, ...JSON.parse(body) }).toMatchObject({ status: 404, instance: '/v1/nothing' })
  })

  test('HTTP/1.0 knows no Host', async () => {
    expect(await sayTo(server.it.url, 'GET /livez HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('unsafe requests of pages', () => {
  test.each([
    ['Origin: http://evil.example'],
    ['Origin: null'],
    ['Origin: http://localhost:3000'],
    ['Origin: http://127.0.0.1'],
    ['Origin: https://ui.example.com:8443'],
    ['Origin: https://ui.example.com.evil.example'],
    ['Origin: chrome-extension://abc'],
    ['Sec-Fetch-Site: cross-site'],
    ['Origin: http://localhost', 'Sec-Fetch-Site: cross-site'],
  ])('%s: 403 in the words of each face', async (...headers) => {
    const native = await post(headers)
    expect(native).toMatchObject({ status: 403, body: expect.stringContaining('urn:intendant:problem:foreign-origin') })
    expect((await send({ method: 'DELETE', target: '/v1/nothing', headers: ['Host: localhost', ...headers] })).status).toBe(403)
    for (const path of ['/feed', '/poll', '/']) {
      const { status, head, body } = await post(headers, path)
      expect({ status, ...JSON.parse(body) }).toMatchObject({ status: 'FAILURE', data: null })
      expect(head).toMatch(/^http\/1\.1 403 /)
    }
  })

  test.each([
    [],
    ['Origin: http://localhost'],
    ['Origin: https://LOCALHOST'],
    ['Origin: https://ui.example.com'],
    ['Origin: https://ui.example.com', 'Sec-Fetch-Site: cross-site'],
    ['Sec-Fetch-Site: same-origin'],
    ['Sec-Fetch-Site: none'],
  ])('%s: taken', async (...headers) => {
    expect(await post(headers)).toMatchObject({ status: 202 })
  })

  test('reading needs no leave', async () => {
    expect(await send({ headers: ['Host: localhost', 'Origin: http://evil.example'] })).toMatchObject({ status: 200 })
  })
})

describe('cross-origin headers of the crawling face', () => {
  test.each([
    ['GET', '/'],
    ['OPTIONS', '/feed'],
    ['GET', '/nothing'],
  ])('%s %s', async (method, target) => {
    const asked = async (...headers: readonly string[]) =>
      (await send({ method, target, headers: ['Host: localhost', ...headers] })).head
    expect(await asked('Origin: http://evil.example')).not.toContain('access-control-')
    expect(await asked('Origin: null')).not.toContain('access-control-')
    for (const head of [await asked(), await asked('Origin: http://localhost'), await asked('Origin: https://ui.example.com')])
      expect(head).toContain('access-control-allow-origin: *')
  })
})

describe('a native route takes JSON or no body at all', () => {
  test.each([
    '/v1/operations',
    '/v1/operations/019ab2c4-0000-7000-8000-000000000000/cancel',
    '/v1/operations/019ab2c4-0000-7000-8000-000000000000/retry',
    '/v1/projections/operations/rebuild',
    '/v1/projections/nobody/rebuild',
  ])('POST %s', async (target) => {
    const status = async (type: string | undefined, body: string) =>
      (
        await send({
          method: 'POST',
          target,
          headers: ['Host: localhost', ...(type === undefined ? [] : [`Content-Type: ${type}`])],
          body,
        })
      ).status
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonx',
    ])
      for (const body of ['{}', '']) expect(await status(type, body)).toBe(415)
    expect(await status(undefined, '{}')).toBe(415)
    expect(await status(undefined, '')).not.toBe(415)
    expect(await status('application/json; charset=utf-8', '{}')).not.toBe(415)
  })
})
