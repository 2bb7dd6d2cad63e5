import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { deciderOf, faces } from '../../src/app/faces.ts'
import { openCredentials } from '../../src/stores/credentials/credentials.ts'
import { asOfContract } from '../contracts/as-of.ts'
import { startApp, type TestApp } from '../http/app.ts'
import { type Seen, tinyFace } from './tiny-face.ts'

const start = (seen?: Seen, env: Readonly<Record<string, string>> = {}): Promise<TestApp> =>
  startApp(env, { further: [tinyFace(seen)] })
const own = { 'Tiny-Name': 'ann', 'Tiny-Password': 'open' }

const ended = async ({ ask }: TestApp, id: string) =>
  (await ask(`GET /v1/operations/${id}?wait=60`)).json as { state: string; result: unknown; face: string; principal: string }

describe('a face that is written in a test', () => {
  const seen: Seen = { answers: [], asked: 0 }
  let app: TestApp
  beforeAll(async () => {
    app = await start(seen)
  })
  afterAll(() => app.stop())

  test('serves, decides, works and reads', async () => {
    const made = await app.ask('POST /tiny/notes/first', { raw: 'hello', headers: own })
    expect(made.status).toBe(202)
    expect(await ended(app, made.json.operation)).toMatchObject({
      state: 'succeeded',
      result: { characters: 5 },
      kind: 'tiny.count',
      face: 'tiny',
    })
    const position = made.headers.get('event-position') ?? ''
    const read = await app.ask('GET /tiny/notes/first', { headers: { 'Event-Position': position } })
    expect(read).toMatchObject({ status: 200, json: { name: 'first', text: 'hello', times: 1 } })
  })

  test('reads as of a moment', async () => {
    const before = (await app.ask('POST /tiny/notes/old', { raw: 'one' })).headers.get('event-position') ?? ''
    const after = (await app.ask('POST /tiny/notes/old', { raw: 'two' })).headers.get('event-position') ?? ''
    const at = async (moment: string) => (await app.ask('GET /tiny/notes/old', { headers: { 'As-Of': moment } })).json
    expect(await at(before)).toEqual({ name: 'old', text: 'one', times: 1 })
    expect(await at(after)).toEqual({ name: 'old', text: 'two', times: 2 })
    const future = await app.ask('GET /tiny/notes/old', { headers: { 'As-Of': '2999-01-01T00:00:00Z' } })
    expect(future).toMatchObject({ status: 400, text: 'tiny: 2999-01-01T00:00:00Z is after now' })
  })

  test('is in the documents, among the kinds and the views', async () => {
    const { paths } = (await app.ask('GET /openapi.json')).json
    expect(Object.keys(paths['/tiny/notes/{name}'])).toEqual(['get', 'post'])
    const kinds = (await app.ask('GET /v1/kinds')).json.items as { kind: string; submittable: boolean }[]
    expect(kinds.find(({ kind }) => kind === 'tiny.count')).toMatchObject({ face: 'tiny', submittable: false })
    const views = (await app.ask('GET /v1/projections')).json.items as { name: string; state: string }[]
    expect(views.find(({ name }) => name === 'tiny-notes')).toMatchObject({ state: 'live' })
  })

  test('its streams are folded by its decider', async () => {
    await app.ask('POST /tiny/notes/folded', { raw: 'a' })
    await app.ask('POST /tiny/notes/folded', { raw: 'b' })
    const events = (await app.ask('GET /v1/streams/tinyNote-folded')).json.items as unknown[]
    const decider = deciderOf([...faces, tinyFace()], 'tinyNote')
    expect(events.reduce((state, event) => decider?.evolve(state, event), decider?.initial)).toEqual({ text: 'b', times: 2 })
  })

  test.each([
    ['GET /tiny/elsewhere', 404, 'tiny: nowhere'],
    ['GET /tiny/notes/none', 404, 'tiny: no such note'],
    ['PUT /tiny/notes/first', 405, ''],
    ['HEAD /tiny/notes/first', 405, ''],
    ['POST /tiny/notes/empty', 400, 'tiny: a note has text'],
  ])('%s is answered %i in its own words', async (line, status, text) => {
    const answer = await app.ask(line)
    expect(answer.status).toBe(status)
    if (status === 405) expect(answer.headers.get('allow')).toBe('GET, POST, OPTIONS')
    else expect(answer.text).toBe(text)
  })

  test.each(['/tiny/notes/alias/', '/tiny/notes/alias.py'])('%s is the same path without its end', async (path) => {
    expect((await app.ask(`POST ${path}`, { raw: 'text' })).status).toBe(202)
    expect((await app.ask(`GET ${path}`)).json.name).toBe('alias')
    expect((await app.ask('GET /tiny/notes/alias')).json.name).toBe('alias')
  })

  test('every answer is seen, whatever it is, and may be given headers', async () => {
    seen.answers.length = 0
    const headers = { 'Tiny-Name': 'bob', 'Tiny-Password': 'wrong' }
    const answers = [
      await app.ask('POST /tiny/notes/seen', { raw: 'break', headers: own }),
      await app.ask('POST /tiny/notes/seen', { raw: 'text', headers }),
      await app.ask('GET /tiny/nothing'),
      await app.ask('POST /tiny/notes/seen', { raw: 'text', headers: { 'Idempotency-Key': 'k1' } }),
      await app.ask('POST /tiny/notes/seen', { raw: 'text', headers: { 'Idempotency-Key': 'k1' } }),
    ]
    expect(seen.answers).toEqual([
      'POST /tiny/notes/seen 500 tiny:ann',
      'POST /tiny/notes/seen 403 anonymous',
      'GET /tiny/nothing 404 anonymous',
      'POST /tiny/notes/seen 202 anonymous',
      'POST /tiny/notes/seen 202 anonymous',
    ])
    expect(answers.map(({ headers }) => headers.get('tiny-duration'))).toEqual(Array(5).fill('true'))
    expect(answers.map(({ text }) => text).slice(0, 3)).toEqual([
      'tiny: out of order',
      'tiny: unauthenticated tiny:write',
      'tiny: nowhere',
    ])
    expect(answers[4]?.json).toEqual(answers[3]?.json)
  })
})

test('where credentials are configured, the own ones come first and cost no look at the others', async () => {
  const seen: Seen = { answers: [], asked: 0 }
  const app = await start(seen)
  try {
    const file = openCredentials(join(app.dataDir, 'credentials.json'))
    const { token: reader } = await file.add({ name: 'reader', scopes: ['tiny:read'] })
    const { token: writer } = await file.add({ name: 'writer', scopes: ['tiny:write'] })
    const { token: stranger } = await file.add({ name: 'stranger', scopes: ['v1:write'] })
    await file.add({ name: 'human', scopes: ['tiny:write'], password: 'sesame' })
    const { credentials } = app.app.ports
    await vi.waitFor(() => expect(credentials.configured()).toBe(true), { timeout: 20_000 })
    const look = vi.spyOn(credentials, 'authenticate')
    const asks = async (method: string, headers: Readonly<Record<string, string>>, path = '/tiny/notes/mine') => {
      look.mockClear()
      seen.asked = 0
      const { status, text } = await app.ask(`${method} ${path}`, { headers, ...(method === 'POST' ? { raw: 'text' } : {}) })
      return { status, text: status < 300 ? '' : text, own: seen.asked, server: look.mock.calls.length }
    }
    const bearer = (token: string | null) => ({ Authorization: `Bearer ${token}` })
    const basic = { Authorization: `Basic ${Buffer.from('human:sesame').toString('base64')}` }
    const passed = { text: '', own: 1 }
    expect(await asks('POST', own)).toEqual({ status: 202, ...passed, server: 0 })
    expect(await asks('POST', { ...own, ...basic })).toEqual({ status: 202, ...passed, server: 0 })
    expect(await asks('POST', { ...basic, ...own, 'Tiny-Password': 'no' })).toEqual({
      status: 403,
      text: 'tiny: unauthenticated tiny:write',
      own: 1,
      server: 0,
    })
    expect(await asks('POST', basic)).toEqual({ status: 202, ...passed, server: 1 })
    expect(await asks('POST', bearer(writer))).toEqual({ status: 202, ...passed, server: 1 })
    expect(await asks('GET', bearer(writer))).toEqual({ status: 200, ...passed, server: 1 })
    expect(await asks('GET', bearer(reader))).toEqual({ status: 200, ...passed, server: 1 })
    const lacking = { status: 403, own: 1, server: 1 }
    expect(await asks('POST', bearer(reader))).toEqual({ ...lacking, text: 'tiny: forbidden tiny:write' })
    expect(await asks('GET', bearer(stranger))).toEqual({ ...lacking, text: 'tiny: forbidden tiny:read' })
    expect(await asks('GET', {})).toEqual({ ...lacking, text: 'tiny: unauthenticated tiny:read' })
    expect(await asks('GET', {}, '/tiny/open')).toEqual({ status: 404, text: 'tiny: nowhere', own: 0, server: 0 })
    // What opens the face opens nothing else.
    expect((await app.ask('GET /v1/operations', { headers: own })).status).toBe(401)
  } finally {
    await app.stop()
  }
})

asOfContract({
  name: 'the tiny face',
  start: () => start(),
  act: (app, n) => app.ask(`POST /tiny/notes/note${n % 5}`, { raw: `text ${n}` }),
  gets: async () => [0, 1, 2, 3, 4, 5].map((n) => `/tiny/notes/note${n}`),
  ask: (app, path, moment) => app.ask(`GET ${path}`, { headers: { 'As-Of': moment } }),
})
