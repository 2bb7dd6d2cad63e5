import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { beforeAll, describe, expect, test } from 'vitest'
import type { App } from '../../../src/app/server.ts'
import { buildApp } from '../../../src/app.ts'
import { loadConfig } from '../../../src/config.ts'

interface List {
  readonly items: readonly Record<string, unknown>[]
  readonly next: string | null
}

/** The whole program with a site to crawl: three pages, one of them missing, one no text. */
let app: App
let site: string

const pages: Readonly<Record<string, readonly [type: string, body: string | Buffer]>> = {
  '/': ['text/html', '<a href="/picture">p</a><a href="/missing">m</a><script>alert(1)</script>'],
  '/picture': ['image/x-none', Buffer.from([0x89, 0x00, 0xff])],
}

beforeAll(async () => {
  const server = createServer((request, response) => {
    const page = pages[request.url ?? '']
    response.writeHead(page === undefined ? 404 : 200, { 'Content-Type': page?.[0] ?? 'text/plain' }).end(page?.[1] ?? 'no')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  site = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const directory = mkdtempSync(join(tmpdir(), 'intendant-crawls-'))
  const settings = { CRAWLING_HITS: '1000', CRAWLING_WINDOW_S: '1', CRAWLING_MODERATED: 'false' }
  const config = loadConfig({ PORT: '0', DATA_DIR: directory, ...settings })
  app = await buildApp(config, { logger: pino({ level: 'silent' }) })
  await app.start()
  return async () => {
    await app.stop()
    server.close()
    rmSync(directory, { recursive: true, force: true })
  }
})

const get = async (path: string): Promise<Response> => {
  const headers = { 'Event-Position': await app.ports.log.head() }
  return app.fetch(new Request(`http://127.0.0.1${path}`, { headers }))
}
const list = async (path: string): Promise<List> => (await (await get(path)).json()) as List

const feed = async (body: object): Promise<{ readonly operation: string; readonly data: Record<string, unknown> | null }> => {
  const headers = { 'Content-Type': 'application/json' }
  const response = await app.fetch(new Request('http://127.0.0.1/feed', { method: 'POST', headers, body: JSON.stringify(body) }))
  const { data } = (await response.json()) as { data: Record<string, unknown> | null }
  return { operation: response.headers.get('operation-id') ?? '', data }
}

/** Feeds a crawl and resolves with its key when it has ended. */
const crawled = async (crawlid: string, more: object = {}): Promise<string> => {
  const { operation } = await feed({ appid: 'testapp', crawlid, url: `${site}/`, ...more })
  const response = await get(`/v1/operations/${operation}?wait=15`)
  expect(await response.json()).toMatchObject({ state: 'succeeded' })
  const { items } = await list(`/v1/crawls?crawlid=${crawlid}`)
  return String(items[0]?.key)
}

const pictureOf = (items: List['items']): unknown => items.find(({ url }) => url === `${site}/picture`)?.id

describe('a crawl', () => {
  test('is shown with what became of its pages', async () => {
    const key = await crawled('pages', { maxdepth: 1 })
    expect(await (await get(`/v1/crawls/${key}`)).json()).toMatchObject({
      spiderid: 'link',
      appid: 'testapp',
      crawlid: 'pages',
      state: 'idle',
      seeds: 1,
      maxdepth: 1,
      queued: 0,
      fetching: 0,
      fetched: { 200: 2, 404: 1 },
      completedAt: expect.any(String),
    })
    const first = await list(`/v1/crawls/${key}/pages?limit=2`)
    const second = await list(`/v1/crawls/${key}/pages?limit=2&cursor=${first.next}`)
    expect([...first.items, ...second.items].map(({ url, depth, state, statusCode }) => [url, depth, state, statusCode])).toEqual(
      [
        [`${site}/`, 0, 'fetched', 200],
        [`${site}/picture`, 1, 'fetched', 200],
        [`${site}/missing`, 1, 'fetched', 404],
      ],
    )
    expect(second.next).toBeNull()
  })

  test('has its items, with text or with bytes', async () => {
    const key = await crawled('items', { maxdepth: 1, attrs: { any: ['thing'] } })
    const { items } = await list(`/v1/crawls/${key}/items`)
    expect(items.map(({ url }) => url).sort()).toEqual([`${site}/`, `${site}/missing`, `${site}/picture`])
    expect(Object.keys(items[0] ?? {})).not.toContain('body')
    expect(await (await get(`/v1/crawls/items/${items[0]?.id}`)).json()).toMatchObject({
      appid: 'testapp',
      crawlid: 'items',
      attrs: { any: ['thing'] },
      status_code: 200,
      status_msg: 'OK',
      body: pages['/']?.[1],
      links: [
        { url: `${site}/picture`, text: 'p' },
        { url: `${site}/missing`, text: 'm' },
      ],
    })
    expect(await (await get(`/v1/crawls/items/${pictureOf(items)}`)).json()).toMatchObject({
      body: 'iQD/',
      body_base64: true,
      encoding: 'iso-8859-1',
    })
    expect((await list('/v1/crawls/items?crawlid=items&order=desc')).items.map(({ id }) => id)).toEqual(
      items.map(({ id }) => id).reverse(),
    )
  })

  test('gives bodies byte for byte, and never as a page of this server', async () => {
    const key = await crawled('bodies', { maxdepth: 1 })
    const { items } = await list(`/v1/crawls/${key}/items`)
    const response = await get(`/v1/crawls/items/${pictureOf(items)}/body`)
    expect(response.headers.get('content-type')).toBe('application/octet-stream')
    expect(response.headers.get('content-disposition')).toBe('attachment')
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(Buffer.from(await response.arrayBuffer())).toEqual(pages['/picture']?.[1])
  })

  test('that was stopped or has a timer is in the lists of those', async () => {
    const expires = 4_000_000_000
    await crawled('timed', { expires })
    expect(await list('/v1/crawls/timers?crawlid=timed')).toMatchObject({ items: [{ crawlid: 'timed', expires }], next: null })
    const stop = { uuid: 's', appid: 'testapp', crawlid: 'timed', spiderid: 'link', action: 'stop' }
    expect((await feed(stop)).data).toMatchObject({ action: 'stop', total_purged: 0 })
    expect(await list('/v1/crawls/timers?crawlid=timed')).toEqual({ items: [], next: null })
    expect(await list('/v1/crawls/stop-list?crawlid=timed')).toMatchObject({
      items: [{ crawlid: 'timed', cause: 'stopped', uuid: 's' }],
    })
    expect(await list('/v1/crawls?state=stopped')).toMatchObject({ items: [{ crawlid: 'timed' }] })
  })
})

describe('a domain', () => {
  test('that is held keeps its queue, and the queue says why', async () => {
    const blacklist = { uuid: 'z', appid: 'testapp', domain: 'example.org', action: 'blacklist-update' }
    expect((await feed(blacklist)).data).toMatchObject({ action: 'blacklist-update', domain: 'example.org' })
    await feed({ appid: 'testapp', crawlid: 'held', url: 'http://held.example.org/' })
    expect(await list('/v1/crawls/queue?domain=example.org')).toEqual({
      items: [{ spiderid: 'link', domain: 'example.org', backlog: 1, blacklisted: true, nextStartAt: null }],
      next: null,
    })
    const nobody = { appid: 'testapp', crawlid: 'nobody', url: 'http://other.example.net/', spiderid: 'nobody' }
    await feed(nobody)
    expect((await list('/v1/crawls/queue?spiderid=nobody')).items).toMatchObject([
      { domain: 'example.net', blacklisted: false, nextStartAt: expect.any(String) },
    ])
    expect((await list('/v1/crawls/domains')).items).toMatchObject([
      { domain: 'example.org', throttle: null, blacklisted: { appid: 'testapp', uuid: 'z' } },
    ])
    expect(await (await get('/v1/crawls/status')).json()).toMatchObject({
      kafkaConnected: true,
      redisConnected: true,
      nodeHealth: 'GREEN',
      queued: 2,
      workers: [{ kinds: expect.arrayContaining(['crawling.crawl']) }],
    })
  })
})

test('counters count what the face took and what was fetched', async () => {
  await crawled('counted')
  await feed({ rubbish: true })
  expect(await (await get('/v1/crawls/counters')).json()).toMatchObject({
    incoming: { total: { lifetime: expect.any(Number) }, fail: { lifetime: 1 }, ScraperHandler: { 900: expect.any(Number) } },
    fetches: expect.arrayContaining([expect.objectContaining({ spiderid: 'link', code: '200' })]),
  })
})

describe('what is not there or not understood', () => {
  test.each([
    '/v1/crawls/0123',
    '/v1/crawls/0123/pages',
    '/v1/crawls/0123/items',
    '/v1/crawls/items/0123',
    '/v1/crawls/items/0123/body',
  ])('%s is 404', async (path) => {
    const response = await get(path)
    expect([response.status, await response.json()]).toMatchObject([404, { type: 'urn:intendant:problem:not-found' }])
  })

  test.each([
    '',
    '/items',
    '/rejections',
    '/pending-answers',
    '/stop-list',
    '/timers',
    '/domains',
    '/queue',
    '/status',
    '/counters',
  ])('/v1/crawls%s refuses a misspelt parameter', async (path) => {
    const response = await get(`/v1/crawls${path}?apid=x`)
    expect([response.status, await response.json()]).toMatchObject([400, { errors: [{ pointer: '?apid' }] }])
  })

  test.each(['', '/items', '/rejections', '/pending-answers', '/stop-list', '/timers', '/domains', '/queue'])(
    '/v1/crawls%s refuses a cursor of somebody else and a limit out of bounds',
    async (path) => {
      expect((await get(`/v1/crawls${path}?cursor=x`)).status).toBe(400)
      expect((await get(`/v1/crawls${path}?limit=0`)).status).toBe(400)
      expect((await get(`/v1/crawls${path}?limit=1001`)).status).toBe(400)
    },
  )

  test('a state that nobody knows is named', async () => {
    const response = await get('/v1/crawls?state=asleep')
    expect([response.status, await response.json()]).toMatchObject([400, { errors: [{ pointer: '?state' }] }])
  })
})
