import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openCredentials } from '../../src/stores/credentials/credentials.ts'
import { openWeb } from '../workers/crawling/web.ts'
import { isProblem, problem, startApp, type TestApp, useApp } from './app.ts'

const shared = useApp({ CRAWLING_HITS: '1000', CRAWLING_WINDOW_S: '1', CRAWLING_MODERATED: 'false' })
const wait = { Prefer: 'wait=30' }

interface Step {
  readonly position: string
  readonly stream: string
  readonly type: string
  readonly id: string
  readonly actor: { readonly principal: string; readonly face: string | null; readonly address: string | null }
  readonly at: string
  readonly summary: string
}

const types = (steps: readonly Step[]): readonly string[] => steps.map(({ type }) => type)

const whyOf = async (app: TestApp, path: string) => {
  const answer = await app.ask(`GET ${path}`)
  expect(answer.status, answer.text).toBe(200)
  return answer.json as { readonly cause: readonly Step[]; readonly effects: { items: readonly Step[]; next: string | null } }
}

const eventsOf = async (app: TestApp, id: string) => (await app.ask(`GET /v1/operations/${id}/events`)).json.items

test('an operation says who asked, from where, and what came of it', async () => {
  const { it } = shared
  const { id } = (await it.probe({ output: 'text\n' }, { lane: 'narrow' }, wait)).json
  const { cause, effects } = await whyOf(it, `/v1/operations/${id}/why`)
  const [requested, started] = await eventsOf(it, id)
  expect(cause).toEqual([
    {
      position: requested.position,
      stream: `operation-${id}`,
      type: 'OperationRequested',
      id: requested.id,
      actor: { principal: 'anonymous', face: null, address: '127.0.0.1' },
      at: requested.recordedAt,
      summary: 'anonymous at 127.0.0.1 asked for a probe through the native API',
    },
  ])
  expect(types(effects.items)).toEqual(
    expect.arrayContaining(['LaneAcquired', 'OperationStarted', 'OutputWritten', 'OperationSucceeded']),
  )
  const places = effects.items.map(({ position }) => position)
  expect(places).toEqual(places.toSorted())
  expect(effects.items.find(({ type }) => type === 'OperationStarted')?.summary).toBe(
    `attempt 1 started on worker ${started.data.worker}`,
  )
  expect((await whyOf(it, `/v1/events/${requested.id.toUpperCase()}/why`)).cause).toEqual(cause)
})

test("a retry's chain begins with the first request, and the first request's effects hold the retries", async () => {
  const { it } = shared
  const failing = { policy: { attempts: 1 } }
  const { id } = (await it.probe({ failAttempts: 9 }, failing, wait)).json
  // A key claimed for the request began the connection of the request, not of the operation.
  const retry = async (of: string, key: string) =>
    (await it.ask(`POST /v1/operations/${of}/retry`, { headers: { ...wait, 'Idempotency-Key': key } })).json.id
  const second = await retry(id, 'second')
  const third = await retry(second, 'third')
  const { cause } = await whyOf(it, `/v1/operations/${third}/why`)
  expect(cause.map(({ stream }) => stream)).toEqual([id, second, third].map((one) => `operation-${one}`))
  expect(cause[1]?.summary).toBe(`anonymous at 127.0.0.1 asked for a retry of operation ${id}, a probe, through the native API`)
  const last = (await eventsOf(it, third)).at(-1)
  expect(types((await whyOf(it, `/v1/events/${last.id}/why`)).cause)).toEqual([
    'OperationRequested',
    'OperationRequested',
    'OperationRequested',
    'OperationStarted',
    'OperationFailed',
  ])
  const { effects } = await whyOf(it, `/v1/operations/${id}/why`)
  expect(effects.items.filter(({ type }) => type === 'OperationRequested').map(({ stream }) => stream)).toEqual([
    `operation-${second}`,
    `operation-${third}`,
  ])
})

test('with an Idempotency-Key the chain of an operation still begins with its request', async () => {
  const { it } = shared
  const { id, position } = (await it.probe({}, {}, { ...wait, 'Idempotency-Key': 'once' })).json
  expect(types((await whyOf(it, `/v1/operations/${id}/why?asOf=${position}`)).cause)).toEqual(['OperationRequested'])
})

test('effects come page by page, and as of a moment', async () => {
  const { it } = shared
  const { id, position } = (await it.probe({ output: 'a\n' }, {}, wait)).json
  const all = (await whyOf(it, `/v1/operations/${id}/why?asOf=${position}`)).effects.items
  expect(all.length).toBeGreaterThan(1)
  const paged: Step[] = []
  for (let next: string | null = ''; next !== null; ) {
    const page = await whyOf(it, `/v1/operations/${id}/why?limit=1${next === '' ? `&asOf=${position}` : `&cursor=${next}`}`)
    expect(page.effects.items).toHaveLength(1)
    paged.push(...page.effects.items)
    next = page.effects.next
  }
  expect(paged).toEqual(all)
  const [requested] = await eventsOf(it, id)
  const answer = await it.ask(`GET /v1/operations/${id}/why?asOf=${requested.position}`)
  expect(answer.json.effects).toEqual({ items: [], next: null })
  expect(answer.headers.get('event-position')).toBe(requested.position)
  const now = await it.ask(`GET /v1/operations/${id}/why`)
  const again = await it.ask(`GET /v1/operations/${id}/why?asOf=${now.headers.get('event-position')}`)
  expect(again.text).toBe(now.text)
  const before = (await it.ask(`GET /v1/events?order=desc&limit=1&after=${requested.position}`)).json.items[0].position
  for (const what of [`operations/${id}`, `events/${requested.id}`])
    expect(problem(await it.ask(`GET /v1/${what}/why?asOf=${before}`))).toEqual(isProblem('not-found', 404))
})

test.each([
  ['/v1/operations/019ab2c4-0000-7000-8000-000000000000/why', 'not-found', 404],
  ['/v1/operations/nothing/why', 'not-found', 404],
  ['/v1/events/019ab2c4-0000-7000-8000-000000000000/why', 'not-found', 404],
  ['/v1/events/%F0%9F%8D%8B/why', 'not-found', 404],
  ['/v1/events/x/why?limit=0', 'invalid', 400],
  ['/v1/events/x/why?limit=1001', 'invalid', 400],
  ['/v1/events/x/why?cursor=x', 'invalid', 400],
  ['/v1/events/x/why?order=desc', 'invalid', 400],
  ['/v1/operations/x/why?asOf=yesterday', 'moment-unknown', 400],
] as const)('%s is %s', async (path, slug, status) => {
  expect(problem(await shared.it.ask(`GET ${path}`))).toEqual(isProblem(slug, status))
})

test('nothing but GET and HEAD', async () => {
  const refused = await shared.it.ask('POST /v1/operations/x/why', { body: {} })
  expect(problem(refused)).toEqual(isProblem('method-not-allowed', 405))
  expect((await shared.it.ask('HEAD /v1/operations/x/why')).status).toBe(404)
})

test('a crawl leads from its request to its pages, and a stop to the crawl that it cancels', async () => {
  const { it } = shared
  const web = await openWeb(() => '<a href="/one">one</a><a href="/two">two</a>')
  const feed = async (body: object): Promise<string> =>
    (await it.ask('POST /feed', { body: { appid: 'app', ...body } })).headers.get('operation-id') ?? ''
  const ended = (id: string) => it.ask(`GET /v1/operations/${id}?wait=30`)
  const first = await feed({ crawlid: 'same', url: web.url('127.0.0.2', '/'), maxdepth: 1 })
  expect((await ended(first)).json.state).toBe('succeeded')
  const { cause, effects } = await whyOf(it, `/v1/operations/${first}/why`)
  expect(cause[0]?.summary).toBe('anonymous at 127.0.0.1 asked for a crawling.crawl through the API crawling')
  const pages = effects.items.filter(({ type }) => type === 'PageFetched')
  expect(pages).toHaveLength(3)
  expect(pages[0]?.summary).toBe(`page ${web.url('127.0.0.2', '/')} was fetched with status 200`)
  expect(types((await whyOf(it, `/v1/events/${pages[2]?.id}/why`)).cause)).toEqual([
    'OperationRequested',
    'PageFetchStarted',
    'PageFetched',
  ])

  // The same crawl fed again has the same correlation, but the first request is not what caused the second one.
  const second = await feed({ crawlid: 'same', url: web.url('127.0.0.2', '/again'), maxdepth: 0 })
  await ended(second)
  const again = await whyOf(it, `/v1/operations/${second}/why`)
  expect(again.cause.map(({ stream }) => stream)).toEqual([`operation-${second}`])

  const throttle = { action: 'domain-update', domain: '127.0.0.3', hits: 1, window: 3600, scale: 1, uuid: 'throttle' }
  const rule = await feed(throttle)
  await ended(rule)
  expect(types((await whyOf(it, `/v1/operations/${rule}/why`)).effects.items)).toContain('DomainThrottleSet')
  const doomed = await feed({ crawlid: 'doomed', url: web.url('127.0.0.3', '/'), maxdepth: 1 })
  await web.untilVisits(5)
  const stop = await feed({ action: 'stop', spiderid: 'link', crawlid: 'doomed', uuid: 'stop' })
  expect((await ended(doomed)).json.state).toBe('cancelled')
  const cancelled = (await eventsOf(it, doomed)).at(-1)
  expect(types((await whyOf(it, `/v1/events/${cancelled.id}/why`)).cause)).toEqual([
    'OperationRequested',
    'CrawlStopped',
    'OperationCancelRequested',
    'OperationCancelled',
  ])
  const { effects: ofStop } = await whyOf(it, `/v1/operations/${stop}/why`)
  expect(ofStop.items.map(({ id }) => id)).toContain(cancelled.id)
})

test('a principal sees the events of the faces that it may read', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'intendant-why-'))
  const credentials = openCredentials(join(dataDir, 'credentials.json'))
  const tokenOf = async (name: string, scopes: readonly string[]) => (await credentials.add({ name, scopes })).token
  const tokens = {
    all: await tokenOf('all', ['*']),
    watcher: await tokenOf('watcher', ['crawling:read']),
    writer: await tokenOf('writer', ['v1:write']),
  }
  const app = await startApp({}, { dataDir })
  onTestFinished(() => app.stop())
  const as = (name: keyof typeof tokens) => ({ Authorization: `Bearer ${tokens[name]}` })
  const { id } = (await app.probe({}, {}, { ...as('all'), ...wait })).json
  const info = { action: 'info', appid: 'app', spiderid: 'link', uuid: 'u' }
  const fed = await app.ask('POST /feed', { body: info, headers: as('all') })
  const ofFace = `GET /v1/operations/${fed.headers.get('operation-id')}/why`
  const ofNative = `GET /v1/operations/${id}/why`
  const [event] = (await app.ask(`GET /v1/operations/${id}/events`, { headers: as('all') })).json.items

  for (const line of [ofFace, ofNative]) expect((await app.ask(line, { headers: as('all') })).status).toBe(200)
  const { status, json } = await app.ask(ofFace, { headers: as('watcher') })
  expect({ status, cause: types(json.cause) }).toEqual({ status: 200, cause: ['OperationRequested'] })
  expect(json.cause[0].summary).toBe('all at 127.0.0.1 asked for a crawling.info through the API crawling')
  for (const line of [ofNative, `GET /v1/events/${event.id}/why`])
    expect(problem(await app.ask(line, { headers: as('watcher') }))).toEqual(isProblem('not-found', 404))
  expect(problem(await app.ask(ofNative))).toEqual(isProblem('unauthenticated', 401))
  expect(problem(await app.ask(ofNative, { headers: as('writer') })).status).toBe(200)
})
