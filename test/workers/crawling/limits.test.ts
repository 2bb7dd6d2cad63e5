import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { links, openCrawling, openSite } from './harness.ts'

/** The machine's clock, set ahead at will. */
const movableClock = (): Clock & { ahead(ms: number): void } => {
  let by = 0
  return { ...systemClock, now: () => systemClock.now() + by, ahead: (ms) => (by += ms) }
}

test('seen addresses are forgotten when none was tested for long enough', async () => {
  const site = await openSite({ '/': links('/a', '/b'), '/a': '', '/b': '' })
  const clock = movableClock()
  const crawling = await openCrawling({ clock })
  const feed = async () => crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 1, domain_max_pages: 3 }))
  await feed()
  clock.ahead(590_000)
  await feed()
  expect(site.requests).toEqual(['/', '/a', '/b', '/'])
  // The last test renewed the memory.
  clock.ahead(590_000)
  await feed()
  expect(site.requests).toHaveLength(5)
  clock.ahead(601_000)
  await feed()
  expect(site.requests).toHaveLength(8)
})

test('the global limit bounds every crawl, and the cap of queued pages every application', async () => {
  const paths = Array.from({ length: 20 }, (_, index) => `/${index}`)
  const site = await openSite({ '/': links(...paths), ...Object.fromEntries(paths.map((path) => [path, ''])) })
  const limited = await openCrawling({ settings: { globalPageLimit: 5 } })
  const first = await limited.ended(await limited.feed({ url: site.url('/'), maxdepth: 1 }))
  expect(first.result).toMatchObject({ fetched: 5, dropped: 16 })
  const capped = await openCrawling({ settings: { maxQueued: 7 } })
  const second = await capped.ended(await capped.feed({ url: site.url('/'), maxdepth: 1 }))
  expect(second.result).toMatchObject({ fetched: 8, dropped: 13 })
  const [crawl] = capped.crawls.crawls({ limit: 1 }).items
  expect(crawl?.dropped).toEqual({ queue_full: 13 })
  const dropped = capped.crawls.pages({ key: crawl?.key ?? '', state: ['dropped'], limit: 100 }).items
  expect(dropped.map(({ reason, referer }) => [reason, referer])).toEqual(Array(13).fill(['queue_full', site.url('/')]))
})

test('links to a blacklisted domain are dropped where they are not kept for later', async () => {
  const site = await openSite({ '/': '' })
  const other = `http://localhost:${site.port}/other`
  const front = await openSite({ '/': links(other) })
  const crawling = await openCrawling({ settings: { backlogBlacklisted: false } })
  await crawling.ask('crawling.zookeeper', { domain: 'LOCALHOST', action: 'blacklist-update' })
  const done = await crawling.ended(await crawling.feed({ url: front.url('/'), maxdepth: 1 }))
  expect(done.result).toMatchObject({ fetched: 1, dropped: 1 })
  expect(crawling.crawls.crawls({ limit: 1 }).items[0]?.dropped).toEqual({ domain_blacklisted: 1 })
})

test('no host gets more than its share of connections', async () => {
  const paths = Array.from({ length: 40 }, (_, index) => `/${index}`)
  let open = 0
  let most = 0
  const site = await openSite((request, response) => {
    open++
    most = Math.max(most, open)
    response.setHeader('content-type', 'text/html')
    systemClock.after(5, () => {
      open--
      response.end(request.url === '/' ? links(...paths) : '')
    })
  })
  const crawling = await openCrawling({ settings: { concurrency: 16, perHost: 3 } })
  const done = await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 1 }))
  expect(done.result).toMatchObject({ fetched: 41 })
  expect(most).toBe(3)
})

test('two pages that end together queue one link once', async () => {
  const fronts = Array.from({ length: 8 }, (_, index) => `/front/${index}`)
  const shared = Array.from({ length: 30 }, (_, index) => `/shared/${index}`)
  const site = await openSite((request, response) => {
    response.setHeader('content-type', 'text/html')
    if (request.url === '/') response.end(links(...fronts))
    else response.end(request.url?.startsWith('/front') ? links(...shared) : '')
  })
  const crawling = await openCrawling()
  const done = await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 2 }))
  expect(done.result).toMatchObject({ fetched: 39 })
  expect(new Set(site.requests).size).toBe(site.requests.length)
})

test('an endless redirect ends', async () => {
  let hops = 0
  const site = await openSite((_request, response) => {
    hops++
    response.writeHead(301, { location: `/${hops}` }).end()
  })
  const crawling = await openCrawling()
  const done = await crawling.ended(await crawling.feed({ url: site.url('/') }))
  expect(done).toMatchObject({ state: 'failed', error: { type: 'too-many-redirects' } })
  expect(hops).toBe(21)
})

test('a body that is too large fails at once, one that never ends is tried again', async () => {
  const downloadTimeoutMs = 12_345
  /** The time of a download is over when the site says so, and not while it has yet to answer. */
  let timeIsOver = (): void => {}
  const clock: Clock = {
    ...systemClock,
    after: (ms, run) => {
      if (ms !== downloadTimeoutMs) return systemClock.after(ms, run)
      timeIsOver = run
      return () => {}
    },
  }
  const site = await openSite((request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' })
    if (request.url === '/large') response.end('x'.repeat(5000))
    else response.write('never', () => timeIsOver())
  })
  const crawling = await openCrawling({ clock, settings: { maxBytes: 1000, downloadTimeoutMs, retries: 1 } })
  const large = await crawling.ended(await crawling.feed({ url: site.url('/large') }))
  expect(large.error).toMatchObject({ type: 'too-large' })
  const endless = await crawling.ended(await crawling.feed({ url: site.url('/endless'), crawlid: 'two' }))
  expect(endless.error).toMatchObject({ type: 'timeout' })
  expect(site.requests).toEqual(['/large', '/endless', '/endless'])
  const [counter] = crawling.counters.fetches(crawling.clock.now())
  expect(counter).toMatchObject({ spiderid: 'link', host: 'crawler-1', code: '504', counts: { '900': 3, lifetime: 3 } })
})

test('a page that is no text is kept as it is', async () => {
  const bytes = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 255])
  const site = await openSite((_request, response) => response.writeHead(200, { 'content-type': 'image/png' }).end(bytes))
  const crawling = await openCrawling()
  await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 1 }))
  const [row] = crawling.items.items({ limit: 1 }).items
  expect(row).toMatchObject({ encoding: null, bytes: bytes.length })
  expect(await crawling.blobs.get(row?.body ?? '')).toEqual(bytes)
})
