import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { getJson, startServer, submitProbe, untilEnded } from './harness.ts'

const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)
const json = { 'Content-Type': 'application/json' }
const submit = '/v1/operations'

const bodies: readonly (readonly [
  name: string,
  path: string,
  body: string | Buffer,
  headers: Record<string, string>,
  statuses: readonly number[],
])[] = [
  ['malformed JSON', submit, '{"kind":', json, [400]],
  ['no JSON at all', submit, 'hello', json, [400]],
  ['bytes that are no UTF-8', submit, Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), json, [400]],
  ['an array', submit, '[]', json, [400]],
  ['null', submit, 'null', json, [400]],
  ['a number', submit, '1e999', json, [400]],
  ['nothing', submit, '', json, [400]],
  ['wrong types', submit, '{"kind":7,"input":"x","priority":"high"}', json, [400]],
  ['an unknown kind', submit, '{"kind":"nobody","input":{}}', json, [400]],
  ['an unknown member', submit, '{"kind":"probe","input":{},"colour":"red"}', json, [400]],
  ['a prototype', submit, '{"kind":"probe","input":{},"__proto__":{"x":1}}', json, [400]],
  ['a NUL in the kind', submit, '{"kind":"pro\\u0000be","input":{}}', json, [400]],
  ['a lone surrogate in the lane', submit, '{"kind":"probe","input":{},"lane":"\\ud800"}', json, [202, 400]],
  ['NULs in the input', submit, '{"kind":"probe","input":{"echo":"\\u0000\\u0000"}}', json, [202]],
  ['deep nesting', submit, `{"kind":"probe","input":{"echo":${deep(100_000)}}}`, json, [202, 400]],
  ['10 MB', submit, `{"kind":"probe","input":{"echo":"${'x'.repeat(10_000_000)}"}}`, json, [413]],
  ['another media type', submit, '<kind/>', { 'Content-Type': 'text/xml' }, [415]],
  ['malformed JSON to the crawling face', '/feed', '{"url":', json, [400]],
  ['deep nesting to the crawling face', '/feed', deep(100_000), json, [400]],
  ['an array to the crawling face', '/feed', '[1]', json, [200]],
  ['a NUL as the url', '/feed', '{"url":"\\u0000","appid":"a","crawlid":"c"}', json, [200, 400, 500]],
  ['a poll without an id', '/poll', '{}', json, [400]],
]

test('whatever is sent is answered, and the server goes on', async () => {
  const { url } = await startServer()
  for (const [name, path, body, headers, statuses] of bodies) {
    const response = await fetch(url + path, { method: 'POST', headers, body: body as string })
    const text = await response.text()
    expect(statuses, `${name}: ${text.slice(0, 300)}`).toContain(response.status)
    expect(text, name).not.toMatch(/ {4}at |node_modules|\.ts:\d/)
    expect(() => JSON.parse(text), name).not.toThrow()
  }
  const id = await submitProbe(url, { echo: 'still there' })
  expect(await untilEnded(url, id)).toMatchObject({ state: 'succeeded' })
  expect(await getJson(`${url}/readyz`)).toMatchObject({ status: 'ready' })
})

const paths = [
  '/v1/operations?limit=0',
  '/v1/operations?limit=x',
  '/v1/operations?state=asleep',
  '/v1/operations?cursor=%00',
  '/v1/events?after=abc',
  '/v1/operations?colour=red',
] as const

test.each(paths)('GET %s is a problem of the caller', async (path) => {
  const { url } = await startServer()
  const response = await fetch(url + path)
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({
    type: 'urn:intendant:problem:invalid',
    instance: '/v1/operations'.startsWith(path.split('?')[0] ?? '') ? '/v1/operations' : '/v1/events',
  })
})

const raw = (url: string, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })

test('requests that are no HTTP, or too much of it, end with a status of the caller', async () => {
  const { url } = await startServer()
  const huge = await raw(
    url,
    `GET /v1/operations HTTP/1.1\r\nHost: localhost\r\nX-Huge: ${'x'.repeat(200_000)}\r\nConnection: close\r\n\r\n`,
  )
  expect(huge).toMatch(/^HTTP\/1\.1 431 /)
  expect(await raw(url, 'NONSENSE\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
  expect(await raw(url, 'GET /%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 4\d\d /)
  expect(await raw(url, 'GET /v1/operations/%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')).toMatch(
    /^HTTP\/1\.1 404 /,
  )
  expect(
    await raw(
      url,
      'POST /v1/operations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ),
  ).toMatch(/^HTTP\/1\.1 400 /)
  expect(await getJson(`${url}/readyz`)).toMatchObject({ status: 'ready' })
})
