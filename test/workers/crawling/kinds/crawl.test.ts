import { expect, test } from 'vitest'
import type { JsonObject } from '../../../../src/lib/json.ts'
import { links, openCrawling, openSite } from '../harness.ts'

test('a crawl of depth 0 brings one item and ends with its counts', async () => {
  const site = await openSite({ '/': `<h1>Hello</h1>${links('/a')}` })
  const crawling = await openCrawling()
  const done = await crawling.ended(await crawling.feed({ url: site.url('/'), attrs: { n: 1 } }))
  expect(done.state).toBe('succeeded')
  expect(done.result).toEqual({
    spiderid: 'link',
    appid: 'test',
    crawlid: 'one',
    fetched: 1,
    failed: 0,
    dropped: 0,
    purged: 0,
    byStatus: { '200': 1 },
  })
  const [row] = crawling.items.items({ limit: 10 }).items
  const item = await crawling.item(row as NonNullable<typeof row>)
  expect(item).toMatchObject({ appid: 'test', crawlid: 'one', attrs: { n: 1 }, url: site.url('/'), status_code: 200, links: [] })
  expect(item.body).toContain('<h1>Hello</h1>')
})

test('what is fed is recorded with its time and its domain, whatever its client says of them', async () => {
  const site = await openSite({ '/': '' })
  const crawling = await openCrawling()
  const id = await crawling.feed({ url: site.url('/'), domain: 'elsewhere.com', ts: 1 })
  await crawling.ended(id)
  const [requested] = await crawling.events(`operation-${id}`)
  const { input } = (requested?.data ?? {}) as { input: JsonObject }
  expect(input).toEqual({ appid: 'test', crawlid: 'one', url: site.url('/'), domain: '127.0.0.1.', ts: expect.any(Number) })
  expect(Math.abs(Number(input.ts) - crawling.clock.now() / 1000)).toBeLessThan(60)
})

test('the progress of a crawl that has ended is whole, and that of one that failed', async () => {
  const site = await openSite({ '/': links('/a', '/b'), '/a': '', '/b': '' })
  const crawling = await openCrawling({ settings: { retries: 0 } })
  const done = await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 1 }))
  expect(done.progress).toMatchObject({ phase: 'fetch', fraction: 1, detail: '3 of 3 pages' })
  const failed = await crawling.ended(await crawling.feed({ url: 'http://127.0.0.1:9/', crawlid: 'two' }))
  expect(failed).toMatchObject({ state: 'failed', progress: { fraction: 1, detail: '1 of 1 pages' } })
})

test('links are followed down to the depth, each once, breadth before depth', async () => {
  const site = await openSite({
    '/': links('/a', '/b', '/a', '/', '/picture.png', 'mailto:x@example.org'),
    '/a': links('/c', '/b'),
    '/b': links('/c', '/d'),
    '/c': links('/e'),
    '/d': '',
    '/e': '',
  })
  const crawling = await openCrawling({ settings: { concurrency: 1 } })
  const done = await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 2 }))
  expect(crawling.crawled()).toEqual(['/', '/a', '/b', '/c', '/d'])
  expect(done.result).toMatchObject({ fetched: 5, failed: 0 })
  const [crawl] = crawling.crawls.crawls({ limit: 10 }).items
  expect(crawl).toMatchObject({ state: 'idle', queued: 0, fetching: 0, fetched: { '200': 5 }, dropped: { duplicate: 3 } })
  expect(crawl?.completedAt).not.toBeNull()
  const first = crawling.items.items({ limit: 1 }).items[0]
  const { links: listed } = await crawling.item(first as NonNullable<typeof first>)
  expect(listed).toEqual(['/a', '/b', '/'].map((path) => ({ url: site.url(path), text: path })))
})

test('followed links carry the referer, the user agent and the cookie of the crawl', async () => {
  const site = await openSite({ '/': links('/a'), '/a': '' })
  const crawling = await openCrawling()
  await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 1, useragent: 'curious/1.0', cookie: 'a=1; b=2' }))
  expect(site.headers.map(({ 'user-agent': agent, cookie, referer }) => ({ agent, cookie, referer }))).toEqual([
    { agent: 'curious/1.0', cookie: 'a=1; b=2', referer: undefined },
    { agent: 'curious/1.0', cookie: 'a=1; b=2', referer: site.url('/') },
  ])
})

test('a page that fails for a while is tried again with a lower priority, and one that stays broken becomes an item', async () => {
  let tries = 0
  const site = await openSite({
    '/': (_request, response) => {
      tries++
      response.writeHead(tries < 3 ? 503 : 200, { 'content-type': 'text/html' }).end('x')
    },
    '/broken': (_request, response) => {
      response.writeHead(500, { 'content-type': 'text/html' }).end('broken')
    },
  })
  const crawling = await openCrawling()
  await crawling.ended(await crawling.feed({ url: site.url('/'), priority: 50 }))
  expect(tries).toBe(3)
  expect(crawling.crawls.pages({ key: keyOf(crawling), limit: 10 }).items).toMatchObject([
    { state: 'fetched', attempts: 3, priority: 30, statusCode: 200 },
  ])
  const broken = await crawling.ended(await crawling.feed({ url: site.url('/broken'), crawlid: 'two' }))
  expect(broken.result).toMatchObject({ fetched: 1, byStatus: { '500': 1 } })
  expect(site.requests.filter((path) => path === '/broken')).toHaveLength(4)
})

test('a crawl whose seed brings no response fails with the reason of the seed', async () => {
  const site = await openSite({})
  const crawling = await openCrawling()
  const dead = `http://127.0.0.1:${site.port}/`
  await new Promise((resolve) => site.server.close(resolve))
  const done = await crawling.ended(await crawling.feed({ url: dead }))
  expect(done).toMatchObject({ state: 'failed', error: { type: 'refused', retryable: false } })
  expect(crawling.crawls.crawls({ limit: 1 }).items[0]).toMatchObject({ state: 'idle', failed: { refused: 1 } })
  const unsupported = await crawling.ended(await crawling.feed({ url: 'host:80/x', crawlid: 'two' }))
  expect(unsupported).toMatchObject({ state: 'failed', error: { type: 'unsupported-scheme' } })
})

test('redirects and refreshes are queued again under their new address, and loops end', async () => {
  const to = (location: string) => (_request: unknown, response: import('node:http').ServerResponse) => {
    response.writeHead(302, { location }).end()
  }
  const site = await openSite({
    '/one': to('/two'),
    '/two': `<meta http-equiv="refresh" content="5; url=/three">`,
    '/three': 'here',
    '/loop': to('/loop2'),
    '/loop2': to('/loop'),
  })
  const crawling = await openCrawling()
  await crawling.ended(await crawling.feed({ url: site.url('/one') }))
  expect(site.requests).toEqual(['/one', '/two', '/three'])
  expect(crawling.crawled()).toEqual(['/three'])
  const loop = await crawling.ended(await crawling.feed({ url: site.url('/loop'), crawlid: 'two' }))
  expect(loop.result).toMatchObject({ failed: 0, dropped: 0, byStatus: { '302': 1 } })
  expect(site.requests.slice(3)).toEqual(['/loop', '/loop2'])
})

test('domain_max_pages bounds the pages of a domain, the seed among them', async () => {
  const paths = Array.from({ length: 10 }, (_, index) => `/${index}`)
  const site = await openSite({ '/': links(...paths), ...Object.fromEntries(paths.map((path) => [path, links(...paths, '/z')])) })
  const crawling = await openCrawling()
  await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 2, domain_max_pages: 4 }))
  expect(crawling.crawled()).toHaveLength(4)
  expect(crawling.crawls.crawls({ limit: 1 }).items[0]?.dropped.domain_page_limit).toBeGreaterThan(0)
})

test('a pattern that cannot be used costs the links and not the item', async () => {
  const site = await openSite({ '/': links('/a') })
  const crawling = await openCrawling()
  const done = await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 1, allow_regex: ['(?=x)'] }))
  expect(done.result).toMatchObject({ fetched: 1 })
  expect(crawling.crawls.pages({ key: keyOf(crawling), limit: 10 }).items[0]?.message).toContain('cannot be used')
})

test('the same crawl fed twice is crawled twice, but links seen are not fetched again', async () => {
  const site = await openSite({ '/': links('/a'), '/a': '' })
  const crawling = await openCrawling()
  await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 1 }))
  await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 1 }))
  expect(site.requests).toEqual(['/', '/a', '/'])
  expect(crawling.crawls.crawls({ limit: 5 }).items).toMatchObject([{ seeds: 2, fetched: { '200': 3 } }])
})

test('of one domain the highest priority goes first, then the first fed', async () => {
  const site = await openSite((_request, response) => response.end('x'))
  const crawling = await openCrawling({ isStarted: false, settings: { concurrency: 1 } })
  const ids: string[] = []
  for (const [path, priority] of Object.entries({ '/low1': 1, '/high': 90, '/low2': 1, '/mid': 50 }))
    ids.push(await crawling.feed({ url: site.url(path), crawlid: path, priority }))
  await crawling.start()
  for (const id of ids) await crawling.ended(id)
  expect(site.requests).toEqual(['/high', '/mid', '/low1', '/low2'])
})

test('the crawl of a spider that nobody runs waits in the queue', async () => {
  const site = await openSite({ '/': '' })
  const crawling = await openCrawling()
  const waiting = await crawling.feed({ url: site.url('/'), spiderid: 'nobody' })
  await crawling.ended(await crawling.feed({ url: site.url('/'), crawlid: 'two' }))
  expect(crawling.queries.byId(waiting)?.state).toBe('pending')
  expect(crawling.crawls.queueStats()).toEqual({
    total: 1,
    spiders: [{ spiderid: 'nobody', backlog: 1, domains: [{ domain: '127.0.0.1.', backlog: 1 }] }],
  })
})

const keyOf = (crawling: Awaited<ReturnType<typeof openCrawling>>): string =>
  crawling.crawls.crawls({ crawlid: ['one'], limit: 1 }).items[0]?.key ?? ''
