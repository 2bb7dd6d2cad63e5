import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCredentials } from '../../src/stores/credentials/credentials.ts'
import { isProblem, problem, startApp, type TestApp } from './app.ts'
import { follow } from './follow.ts'

const tokens: Record<string, string> = {}
const lines: string[] = []
let server: TestApp

beforeAll(async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'intendant-access-'))
  const credentials = openCredentials(join(dataDir, 'credentials.json'))
  const scopes = {
    reader: ['v1:read'],
    writer: ['v1:write'],
    crawler: ['crawling:write'],
    watcher: ['crawling:read'],
    root: ['*'],
  }
  for (const [name, allowed] of Object.entries(scopes))
    tokens[name] = (await credentials.add({ name, scopes: allowed })).token ?? ''
  await credentials.add({ name: 'human', scopes: ['v1:read'], password: 'correct horse' })
  server = await startApp({}, { dataDir, logger: pino({ level: 'trace' }, { write: (line: string) => lines.push(line) }) })
})
afterAll(() => server.stop())

const as = (name: string) => ({ Authorization: `Bearer ${tokens[name]}` })
const basic = (user: string, password: string) => ({
  Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
})

describe('without credentials, or with wrong ones', () => {
  test.each([
    {},
    { Authorization: 'Bearer wrong-token-4711' },
    { Authorization: 'Basic !!!' },
    basic('human', 'wrong horse'),
    { Authorization: 'Digest x' },
  ])('%j nothing is shown', async (headers) => {
    for (const line of [
      'GET /v1/operations',
      'GET /v1/events',
      'GET /metrics',
      'GET /openapi.json',
      'POST /v1/operations',
      'GET /v1/nothing',
    ]) {
      const answer = await server.ask(line, { headers: headers as Record<string, string> })
      expect(problem(answer)).toEqual(isProblem('unauthenticated', 401))
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm=.*Basic realm=/)
      expect(answer.text).not.toContain('4711')
    }
  })

  test('health and the documents page are open', async () => {
    for (const path of ['/livez', '/readyz', '/docs', '/docs/swagger-ui.css'])
      expect((await server.ask(`GET ${path}`)).status).toBe(200)
  })

  test('a face answers in its own words', async () => {
    const answer = await server.ask('POST /feed', { body: {} })
    expect([answer.status, answer.json.status]).toEqual([401, 'FAILURE'])
  })
})

describe('scopes', () => {
  test.each([
    ['reader', 'GET /v1/operations', 200],
    ['reader', 'POST /v1/operations', 403],
    ['reader', 'GET /metrics', 200],
    ['reader', 'GET /openapi.json', 200],
    ['reader', 'GET /v1/nothing', 404],
    ['reader', 'POST /feed', 403],
    ['writer', 'GET /v1/operations', 200],
    ['writer', 'POST /v1/operations', 400],
    ['crawler', 'GET /v1/operations', 403],
    ['crawler', 'POST /v1/projections/operations/rebuild', 403],
    ['crawler', 'GET /metrics', 403],
    ['crawler', 'GET /', 200],
    ['watcher', 'POST /feed', 403],
    ['watcher', 'GET /', 200],
    ['root', 'GET /v1/operations', 200],
    ['root', 'POST /v1/operations', 400],
  ])('%s asks %s and gets %i', async (name, line, status) => {
    const answer = await server.ask(line, { headers: as(name), ...(line.startsWith('POST') ? { body: {} } : {}) })
    expect(answer.status).toBe(status)
    if (status === 403 && line.includes('/v1')) expect(problem(answer)).toEqual(isProblem('forbidden', 403))
  })

  test('a password is as good as a token', async () => {
    expect((await server.ask('GET /v1/operations', { headers: basic('human', 'correct horse') })).status).toBe(200)
  })

  test('who asked stands in the operation and its events', async () => {
    const answer = await server.ask('POST /v1/operations', { body: { kind: 'probe', input: {} }, headers: as('writer') })
    expect(answer.json.requestedBy).toEqual({ principal: 'writer', face: null, address: '127.0.0.1' })
    const events = await server.ask('GET /v1/events?principal=writer', { headers: as('reader') })
    expect(events.json.items[0].metadata.actor).toEqual(answer.json.requestedBy)
  })

  test('a key belongs to its principal', async () => {
    const submit = (name: string) =>
      server.ask('POST /v1/operations', {
        body: { kind: 'probe', input: {} },
        headers: { ...as(name), 'Idempotency-Key': 'shared' },
      })
    const [first, second] = [await submit('writer'), await submit('root')]
    expect(second.status).toBe(202)
    expect(second.json.id).not.toBe(first.json.id)
  })
})

test('events are shown as far as the principal may read', async () => {
  const watching = await follow(`${server.url}/v1/events?after=0`, as('watcher'))
  await watching.until(({ event }) => event === 'live')
  const native = await server.ask('POST /v1/operations', { body: { kind: 'probe', input: {} }, headers: as('writer') })
  await server.ask('POST /feed', {
    body: { appid: 'testapp', crawlid: 'seen', url: 'http://localhost:1/' },
    headers: as('crawler'),
  })
  const [first] = await watching.take(1)
  expect(first?.data.metadata.actor).toMatchObject({ principal: 'crawler', face: 'crawling' })
  watching.close()
  const list = await server.ask('GET /v1/events?limit=1000', { headers: as('watcher') })
  expect(list.json.items.length).toBeGreaterThan(0)
  expect(list.text).not.toContain(native.json.id)
})

test('an event stream ends when its credential is removed, and only that one', async () => {
  const credentials = openCredentials(join(server.dataDir, 'credentials.json'))
  const { token } = await credentials.add({ name: 'guest', scopes: ['v1:read'] })
  const leaving = await follow(`${server.url}/v1/events`, { Authorization: `Bearer ${token}` })
  const staying = await follow(`${server.url}/v1/events`, as('reader'))
  const sleeper = { kind: 'probe', input: { output: 'asleep', sleepMs: 60_000 } }
  const { id } = (await server.ask('POST /v1/operations', { body: sleeper, headers: as('writer') })).json
  const output = await follow(`${server.url}/v1/operations/${id}/output`, { Authorization: `Bearer ${token}` })
  await Promise.all([leaving.take(1), staying.take(1), output.take(1)])
  credentials.remove('guest')
  await Promise.all([leaving, output].map((stream) => expect(stream.until(() => false)).rejects.toThrow('the stream ended')))
  const again = await server.ask('GET /v1/events', { headers: { Authorization: `Bearer ${token}` } })
  expect(problem(again)).toEqual(isProblem('unauthenticated', 401))
  const { json } = await server.ask('POST /v1/operations', { body: { kind: 'probe', input: {} }, headers: as('writer') })
  await staying.until(({ data }) => data.stream === `operation-${json.id}`)
  staying.close()
})

test('tokens and passwords reach neither log nor events', async () => {
  const events = await server.ask('GET /v1/events?limit=1000', { headers: as('root') })
  const everything = lines.join('') + events.text
  for (const secret of [...Object.values(tokens), 'correct horse', 'wrong horse', 'wrong-token-4711'])
    expect(everything).not.toContain(secret)
})
