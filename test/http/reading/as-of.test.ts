import { expect, test } from 'vitest'
import { asOfContract } from '../../contracts/as-of.ts'
import { eventStoreDbUrl } from '../../engines/running.ts'
import { fanOutWork } from '../../fan-out-work.ts'
import { openWeb } from '../../workers/crawling/web.ts'
import { isProblem, problem, startApp, type TestApp, useApp } from '../app.ts'

const json = { 'Content-Type': 'application/json' }
const feed = (app: TestApp, body: unknown) => app.ask('POST /feed', { body })

/** Operations in lanes, failing, late and cancelled ones, retries, and crawls with info, stop and nonsense. */
const act = (web: { url(host: string, path: string): string }) => async (app: TestApp, n: number) => {
  const lane = `lane-${n % 3}`
  await app.ask(`PUT /v1/limits/key${n % 2}`, { body: { concurrency: 1 + (n % 3), rate: { count: 50, perMs: 1000 + n } } })
  await app.probe({ sleepMs: 30 }, { limits: [`key${n % 2}`, 'key1', 'free'].slice(n % 2) })
  if (n % 4 === 3) await app.ask('DELETE /v1/limits/key1')
  switch (n % 8) {
    case 0:
      return feed(app, { url: web.url(`127.0.0.${2 + (n % 3)}`, `/${n}/`), appid: 'app', crawlid: `crawl${n % 4}`, maxdepth: 1 })
    case 1:
      return app.probe({ sleepMs: 20, output: `line ${n}\n`, echo: n }, { lane })
    case 2:
      return app.probe({ failAttempts: 2, output: 'again\n' }, { lane, priority: n })
    case 3:
      await schedule(app, n)
      return app.probe({}, { runAt: '2999-01-01T00:00:00Z', lane: 'late' })
    case 4: {
      const { json: made } = await app.probe({ sleepMs: 60_000 })
      await app.ask(`POST /v1/operations/${made.id}/cancel`, { body: { reason: `number ${n}` } })
      return app.ask(`POST /v1/operations/${made.id}/retry`)
    }
    case 5: {
      const { json: stored } = await app.ask('POST /v1/blobs', { raw: `blob ${n}`, headers: { 'Content-Type': 'text/plain' } })
      await app.ask('POST /v1/blobs', { raw: `kept ${n}` })
      return app.ask(`DELETE /v1/blobs/${stored.id}`)
    }
    case 6: {
      const input = { hosts: ['a', 'b', 'c', 'd'], fails: n % 16 === 6 ? ['c'] : [], maxFailures: 1, takesMs: 3 }
      const { json: made } = await app.ask('POST /v1/operations', { body: { kind: 'fan-out', input } })
      return n % 24 === 22 ? app.ask(`POST /v1/operations/${made.id}/cancel`) : made
    }
    default:
      await feed(app, { action: 'info', appid: 'app', spiderid: 'link', uuid: `u${n}` })
      await feed(app, { action: 'stop', appid: 'app', spiderid: 'link', crawlid: `crawl${n % 4}`, uuid: `s${n}` })
      return feed(app, { nonsense: n })
  }
}

/** One that fires often, and one that is made again and again. */
const schedule = async (app: TestApp, n: number): Promise<void> => {
  const often = { name: 'often', kind: 'probe', input: { sleepMs: 300 }, everyMs: 200 }
  if (n === 3) await app.ask('POST /v1/schedules', { body: often })
  else await app.ask('DELETE /v1/schedules/again')
  await app.ask('POST /v1/schedules', { body: { name: 'again', kind: 'probe', input: { n }, cron: '0 0 1 1 *', jitterMs: n } })
  await app.ask('POST /v1/schedules/again/run-now')
}

const gets = async (app: TestApp): Promise<readonly string[]> => {
  const ids = ((await app.ask('GET /v1/operations?limit=5')).json.items as { id: string }[]).map(({ id }) => id)
  // The bytes of the others are deleted, and have no past.
  const kept = ((await app.ask('GET /v1/blobs?limit=4')).json.items as { id: string; contentType: string }[]).filter(
    ({ contentType }) => contentType !== 'text/plain',
  )
  const keys = ((await app.ask('GET /v1/crawls?limit=2')).json.items as { key: string }[]).map(({ key }) => key)
  return [
    '/v1/operations?limit=7',
    '/v1/operations?state=pending&state=retrying&order=asc',
    '/v1/operations?kind=crawling.crawl&limit=3',
    '/v1/operations:counts',
    '/v1/operations:counts?principal=anonymous&state=succeeded',
    '/v1/events?limit=20&order=desc',
    '/v1/events?type=OperationSucceeded&limit=5',
    '/v1/secrets',
    '/v1/schedules',
    '/v1/schedules/often',
    '/v1/schedules/again',
    '/v1/webhooks',
    '/v1/webhooks?limit=1',
    '/v1/webhooks/all',
    '/v1/webhooks/none',
    '/v1/webhooks/none/parked',
    '/v1/blobs?limit=3',
    '/v1/blobs?unused=true',
    ...kept.map(({ id }) => `/v1/blobs/${id}`),
    '/v1/limits',
    '/v1/limits/key1',
    '/v1/crawls',
    '/v1/crawls/rejections',
    '/v1/crawls/pending-answers',
    '/v1/crawls/stop-list',
    '/v1/crawls/queue',
    '/v1/crawls/status',
    '/v1/crawls/items?limit=5',
    '/v1/operations/019ab2c4-0000-7000-8000-000000000000',
    ...ids.flatMap((id) => [
      `/v1/operations/${id}`,
      `/v1/operations/${id}/events`,
      `/v1/operations/${id}/output`,
      `/v1/operations/${id}/targets?limit=3`,
      `/v1/operations/${id}/output?lastLines=1&stream=stdout`,
      `/v1/operations/${id}/why?limit=5`,
      `/v1/streams/operation-${id}?order=desc`,
    ]),
    ...keys.flatMap((key) => [`/v1/crawls/${key}`, `/v1/crawls/${key}/pages`, `/v1/crawls/${key}/items`]),
  ]
}

const subject = (name: string, env: Readonly<Record<string, string>> | undefined) => ({
  name,
  start: async () =>
    env &&
    (await startApp(
      { CRAWLING_HITS: '3', CRAWLING_WINDOW_S: '2', CRAWLING_RESPONSE_WAIT_MS: '0', ...env },
      { works: [fanOutWork()] },
    )),
  act: async (app: TestApp, n: number) => act(await web())(app, n),
  gets,
})

let opened: ReturnType<typeof openWeb> | undefined
const web = () => {
  opened ??= openWeb(({ path }) => `<a href="${path}a">a</a><a href="${path}b">b</a>`)
  return opened
}

asOfContract(subject('the embedded log', {}))
asOfContract(subject('EventStoreDB', eventStoreDbUrl === undefined ? undefined : { EVENTSTOREDB_URL: eventStoreDbUrl }))

const shared = useApp()

test('a moment may be a position, a time or the id of an event', async () => {
  const { it } = shared
  const made = await it.probe({ echo: 1 }, {}, { Prefer: 'wait=10' })
  const { id, position } = made.json
  const events = (await it.ask(`GET /v1/operations/${id}/events`)).json.items
  const [requested] = events
  const as = (moment: string) => it.ask(`GET /v1/operations/${id}?asOf=${encodeURIComponent(moment)}`)
  expect((await as(requested.position)).json).toMatchObject({ state: 'pending', waitingFor: { reason: 'unknown', detail: null } })
  expect((await as(requested.id)).json).toMatchObject({ state: 'pending', revision: 0 })
  expect((await as(position)).json).toMatchObject({ state: 'succeeded', result: { echo: 1 } })
  const before = new Date(Date.parse(requested.recordedAt) - 1).toISOString()
  expect((await as(before)).status).toBe(404)
  const later = await as(new Date(Date.parse(events.at(-1).recordedAt)).toISOString())
  expect(later.json).toMatchObject({ state: 'succeeded' })
  expect((await as(requested.position)).headers.get('cache-control')).toContain('immutable')
  expect(later.headers.get('cache-control')).not.toContain('immutable')
})

test.each([
  ['GET /v1/operations?asOf=', 400],
  ['GET /v1/operations?asOf', 400],
  ['GET /v1/operations?asOf=yesterday', 400],
  ['GET /v1/operations?as%4Ff=yesterday', 400],
  ['GET /v1/operations?asOf=0&%61sOf=0', 400],
  ['GET /v1/operations?asOf=99999999999999999999', 400],
  ['GET /v1/operations?asOf=2999-01-01T00:00:00Z', 400],
  ['GET /v1/operations?asOf=0&asOf=0', 400],
  ['POST /v1/operations?asOf=0', 400],
  ['GET /v1/operations/019ab2c4-0000-7000-8000-000000000000?asOf=0&wait=1', 400],
])('%s is no moment of the past', async (line, status) => {
  expect(problem(await shared.it.ask(line))).toEqual(isProblem('moment-unknown', status))
})

test('what follows or pins is of the present', async () => {
  const { it } = shared
  for (const headers of [{ Accept: 'text/event-stream' }, { 'If-Match': '"1"' }])
    expect(problem(await it.ask('GET /v1/events?asOf=0', { headers }))).toEqual(isProblem('moment-unknown', 400))
  expect(problem(await it.ask('GET /v1/operations?asOf=019ab2c4-0000-7000-8000-000000000001'))).toEqual(
    isProblem('not-found', 404),
  )
  expect(problem(await it.ask('GET /livez?asOf=0'))).toEqual(isProblem('invalid', 400))
})

test('a past list goes on in its past by the cursor alone', async () => {
  const { it } = shared
  for (let n = 0; n < 3; n++) await it.probe({ echo: n }, {}, { Prefer: 'wait=10' })
  const { headers } = await it.ask('GET /v1/operations?limit=1')
  const moment = headers.get('event-position')
  const first = (await it.ask(`GET /v1/operations?limit=1&order=asc&asOf=${moment}`)).json
  await it.probe({ echo: 'later' }, {}, { Prefer: 'wait=10' })
  const all: string[] = first.items.map(({ id }: { id: string }) => id)
  for (let { next } = first; next !== null; ) {
    const page = await it.ask(`GET /v1/operations?limit=1&order=asc&cursor=${next}`)
    expect(page.headers.get('event-position')).toBe(moment)
    all.push(...page.json.items.map(({ id }: { id: string }) => id))
    next = page.json.next
  }
  const whole = (await it.ask(`GET /v1/operations?limit=1000&order=asc&asOf=${moment}`)).json.items
  expect(all).toEqual(whole.map(({ id }: { id: string }) => id))
})

test('a face takes the header As-Of on what reads, and refuses it elsewhere', async () => {
  const refused = await shared.it.ask('POST /feed', { body: { url: 'http://127.0.0.1/' }, headers: { ...json, 'As-Of': '0' } })
  expect(refused.status).toBe(400)
  expect(refused.json.status).toBe('FAILURE')
  expect((await shared.it.ask('GET /', { headers: { 'As-Of': '0' } })).status).toBe(200)
})
