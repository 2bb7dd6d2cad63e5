import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApp } from '../app.ts'
import { sayTo } from '../raw.ts'
import { type ClustersApp, error, isError, startClusters } from './clusters-app.ts'

let it: ClustersApp
beforeAll(async () => {
  it = await startClusters()
  await it.ask('PUT /api/v0/cluster/web')
})
afterAll(() => it.stop())

const plain = async (line: string, init: RequestInit = {}) => {
  const [method = '', path = ''] = line.split(' ')
  const response = await fetch(it.url + path, { method, ...init })
  return { status: response.status, text: await response.text(), headers: response.headers }
}

test.each([
  'GET /api/v0',
  'GET /api/v0/',
  'GET /api/v0/nothing',
  'POST /api/v0/cluster/web',
  'PATCH /api/v0/cluster/web',
  'OPTIONS /api/v0/clusters',
  'DELETE /api/v0/clusters',
  'PUT /api/v0/clusters',
  'PUT /api/v0/cluster/web.x',
  'GET /api/v0/cluster/a%20b',
  'GET /api/v0/cluster/web//',
  'PUT /api/v0/cluster/%C3%A4',
  'GET /api/v0/host/a%2Fb',
  'GET /api/v0/host/a_b!',
  `PUT /api/v0/cluster/${'a'.repeat(193)}`,
  `PUT /api/v0/host/${'a'.repeat(193)}`,
  'GET /api/v0/host',
  'POST /api/v0/host/10.0.0.1',
])('%s has no route', async (line) => {
  expect(error((await plain(line)) as never)).toMatchObject(isError(404, 'Not Found'))
})

test('what may be made of the longest names works', async () => {
  const name = 'a'.repeat(192)
  expect((await it.ask(`PUT /api/v0/cluster/${name}`)).status).toBe(201)
  expect((await it.ask(`PUT /api/v0/cluster/${name}/upgrade`)).status).toBe(201)
  expect((await it.ask(`PUT /api/v0/cluster/${name}/hosts`, { old: [], new: [] })).status).toBe(200)
  expect((await it.ask(`PUT /api/v0/host/${name}`, { cluster: name })).status).toBe(201)
  expect((await it.ask(`DELETE /api/v0/host/${name}`)).status).toBe(200)
  expect((await it.ask(`DELETE /api/v0/cluster/${name}`)).status).toBe(200)
})

test('HEAD is not routed', async () => {
  expect(await plain('HEAD /api/v0/clusters')).toMatchObject({ status: 404, text: '' })
})

test.each(['[]', '[["network", "default"]]', '"text"', '7', 'null', 'true', '{', '{"a":1}}', 'network=default'])(
  'the body %s is 400',
  async (body) => {
    expect(error((await plain('PUT /api/v0/cluster/bad', { body })) as never)).toMatchObject(isError(400, 'Bad Request'))
    expect((await it.ask('GET /api/v0/cluster/bad')).status).toBe(404)
  },
)

test.each([undefined, 'text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-8', 'nonsense'])(
  'a body of the type %s is JSON',
  async (type) => {
    const headers: Record<string, string> = type === undefined ? {} : { 'Content-Type': type }
    const answer = await plain('PUT /api/v0/network/typed', { body: Buffer.from('{"type": "flannel_etcd"}'), headers })
    expect(answer.status).toBe(201)
  },
)

test('no body is an empty object, and a body on DELETE means nothing', async () => {
  expect((await plain('PUT /api/v0/network/empty')).status).toBe(201)
  expect((await plain('PUT /api/v0/network/empty', { body: '' })).status).toBe(201)
  expect(await plain('DELETE /api/v0/network/empty', { body: 'no JSON at all' })).toMatchObject({ status: 200, text: '[]' })
})

test('members that are null count as absent, unknown ones are dropped', async () => {
  const body = { type: null, options: { a: 1, b: null, c: { d: null, e: [null] } }, more: { x: 1 } }
  const record = { name: 'nulls', type: 'flannel_etcd', options: { a: 1, c: { e: [null] } } }
  expect((await it.ask('PUT /api/v0/network/nulls', body)).json).toEqual(record)
  expect((await it.ask('GET /api/v0/network/nulls')).json).toEqual(record)
})

test('a last slash is one too many nowhere', async () => {
  for (const path of [
    'clusters/',
    'cluster/web/',
    'cluster/web/hosts/',
    'hosts/',
    'networks/',
    'network/default/',
    'containermanagers/',
  ])
    expect((await plain(`GET /api/v0/${path}`)).status).toBe(200)
})

test('answers are JSON without an envelope, and say where they stand', async () => {
  const answer = await plain('GET /api/v0/clusters')
  expect(answer).toMatchObject({ status: 200, text: '["web"]' })
  expect(answer.headers.get('content-type')).toBe('application/json')
  expect(answer.headers.get('event-position')).toMatch(/^\d+$/)
})

test('a large body is 413', async () => {
  const body = JSON.stringify({ options: { text: 'x'.repeat(1_100_000) } })
  expect(error((await plain('PUT /api/v0/network/large', { body })) as never)).toMatchObject(isError(413, 'Payload Too Large'))
})

test('a moment that is none is 400, and changes have no past', async () => {
  for (const moment of ['nonsense', '2999-01-01T00:00:00Z'])
    expect(error(await it.ask('GET /api/v0/clusters', undefined, { 'As-Of': moment }))).toMatchObject(isError(400, 'Bad Request'))
  expect((await it.ask('PUT /api/v0/cluster/past', {}, { 'As-Of': '2020-01-01T00:00:00Z' })).status).toBe(400)
})

test('pages of other origins and foreign hosts are refused in the words of this face', async () => {
  expect(error((await plain('PUT /api/v0/cluster/x', { headers: { Origin: 'https://evil.example' } })) as never)).toMatchObject(
    isError(403, 'Forbidden'),
  )
  const said = await sayTo(it.url, 'GET /api/v0/clusters HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n')
  expect(said).toMatch(/^HTTP\/1\.1 421 Misdirected Request\r\n/)
  expect(said).toMatch(/\r\n\r\nMisdirected Request$/)
})

test('one switch removes the additional headers', async () => {
  const bare = await startApp({ NATIVE_HEADERS_ON_FACES: 'false' })
  try {
    const { headers, status } = await bare.ask('GET /api/v0/cluster/none')
    expect(status).toBe(404)
    for (const name of ['x-intendant-error', 'event-position', 'operation-id', 'traceparent'])
      expect(headers.get(name)).toBeNull()
  } finally {
    await bare.stop()
  }
})

test('reasons of any characters make a header', async () => {
  const { headers } = await plain('PUT /api/v0/network/words', { body: '{"type": "flännel\\n"}' })
  expect(headers.get('x-intendant-error')).toMatch(/^[\x20-\x7e]+$/)
})

test('with credentials everybody else is 403, on paths without a route too', async () => {
  const app = await startApp()
  try {
    const { credentials } = app.app.ports
    const reader = (await credentials.add({ name: 'reader', scopes: ['clusters:read'] })).token
    const writer = (await credentials.add({ name: 'writer', scopes: ['clusters:write'] })).token
    const as = (token: string | null | undefined) => ({ headers: { Authorization: `Bearer ${token}` } })
    const refused = isError(403, 'Forbidden')
    for (const line of ['GET /api/v0/clusters', 'PUT /api/v0/cluster/a', 'DELETE /api/v0/network/a', 'GET /api/v0/nothing']) {
      const answer = await app.ask(line)
      expect(error(answer)).toMatchObject(refused)
      expect(answer.headers.get('www-authenticate')).toBeNull()
      expect(error(await app.ask(line, as('wrong')))).toMatchObject(refused)
    }
    expect((await app.ask('GET /api/v0/clusters', as(reader))).status).toBe(200)
    expect((await app.ask('GET /api/v0/nothing', as(reader))).status).toBe(404)
    expect(error(await app.ask('PUT /api/v0/cluster/a', as(reader)))).toMatchObject(refused)
    expect((await app.ask('PUT /api/v0/cluster/a', as(writer))).status).toBe(201)
  } finally {
    await app.stop()
  }
})
