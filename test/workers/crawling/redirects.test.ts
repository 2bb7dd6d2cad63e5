import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { createRedirectMemory, joinedCookies } from '../../../src/workers/crawling/fetch/redirect-memory.ts'
import { links, openCrawling, openSite } from './harness.ts'

const to =
  (location: string, headers: Record<string, string | string[]> = {}) =>
  (_request: unknown, response: ServerResponse): void => {
    response.writeHead(302, { location, 'content-type': 'text/html', ...headers }).end('<p>wait')
  }

/** A page behind a wall: who has no cookie gets one, and is sent where it was, by way of `via`. */
const walled =
  (via: string, page: string) =>
  (request: IncomingMessage, response: ServerResponse): void => {
    if (request.headers.cookie?.includes('seen=1') === true) {
      response.writeHead(200, { 'content-type': 'text/html' }).end(page)
      return
    }
    response.writeHead(302, { location: via, 'set-cookie': 'seen=1; Path=/; HttpOnly' }).end()
  }

test('a seed that redirects is fetched again when it is fed again, also with a stopped crawl', async () => {
  const site = await openSite({ '/': to('/en/'), '/en/': links('/a'), '/a': '' })
  const crawling = await openCrawling()
  for (let n = 0; n < 2; n++) await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 1 }))
  expect(crawling.crawled()).toEqual(['/en/', '/a', '/en/'])
  await crawling.ask('crawling.stop', { crawlid: 'one', spiderid: 'link', action: 'stop' })
  const last = await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 1 }))
  expect(last.result).toMatchObject({ fetched: 1 })
  expect(crawling.crawled()).toEqual(['/en/', '/a', '/en/', '/en/'])
})

test('a link that redirects to what was fetched is a duplicate as ever', async () => {
  const site = await openSite({ '/': links('/a', '/b'), '/a': '', '/b': to('/a') })
  const crawling = await openCrawling({ settings: { concurrency: 1 } })
  const done = await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 1 }))
  expect(done.result).toMatchObject({ fetched: 2, dropped: 1 })
})

test('a page that is sent in a circle is an item with what it says', async () => {
  const site = await openSite({
    '/self': to('/self'),
    '/same': to('/same', { 'set-cookie': 'seen=1' }),
    '/random': (_request, response) => to('/random', { 'set-cookie': `id=${site.requests.length}` })(_request, response),
    '/one': `<meta http-equiv=refresh content="0;url=/two">`,
    '/two': `<meta http-equiv=refresh content="0;url=/one">`,
  })
  const crawling = await openCrawling()
  for (const path of ['/self', '/same', '/random', '/one']) {
    const done = await crawling.ended(await crawling.feed({ url: site.url(path), crawlid: path }))
    expect(done.result).toMatchObject({ fetched: 1, dropped: 0, failed: 0 })
  }
  expect(site.requests).toEqual(['/self', '/same', '/same', ...Array<string>(4).fill('/random'), '/one', '/two'])
})

test('a cookie wall is passed once, and the crawl keeps its cookie for this host alone', async () => {
  const other = await openSite({ '/': '' })
  const elsewhere = other.url('/').replace('127.0.0.1', 'localhost')
  const site = await openSite({
    '/': walled('/', links('/a', '/b', elsewhere)),
    '/a': walled('/check', 'a'),
    '/b': 'b',
    '/check': to('/a'),
  })
  const crawling = await openCrawling({ settings: { concurrency: 1 } })
  await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 1, cookie: 'mine=2; seen=0' }))
  expect(site.requests).toEqual(['/', '/', '/a', '/b'])
  expect(site.headers.map(({ cookie }) => cookie)).toEqual(['mine=2; seen=0', ...Array<string>(3).fill('mine=2; seen=1')])
  expect(other.headers.map(({ cookie }) => cookie)).toEqual([undefined])
  expect(JSON.stringify(await crawling.allEvents())).not.toContain('seen=')
  // Another crawl knows nothing of it.
  await crawling.ended(await crawling.feed({ url: site.url('/a'), crawlid: 'two' }))
  expect(site.requests.slice(4)).toEqual(['/a', '/check', '/a'])
})

test('without a wall no cookie is carried anywhere', async () => {
  const site = await openSite({
    '/': to('/home', { 'set-cookie': 'a=1' }),
    '/home': (_request, response) =>
      response.writeHead(200, { 'content-type': 'text/html', 'set-cookie': 'b=1' }).end(links('/x')),
    '/x': '',
  })
  const crawling = await openCrawling()
  await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 1 }))
  expect(site.headers.map(({ cookie }) => cookie)).toEqual([undefined, undefined, undefined])
})

test('redirects and refreshes to what is no web page leave the page an item', async () => {
  const schemes = [
    'itms-apps://x/y',
    'mailto:a@b.c',
    'javascript:go()',
    'data:text/html,x',
    'ftp://x/',
    'http://',
    'about:blank',
    'intent://x#Intent;end',
  ]
  const pages = Object.fromEntries(
    schemes.flatMap((scheme, index) => [
      [`/location/${index}`, to(scheme)],
      [`/refresh/${index}`, `<meta http-equiv=refresh content="0;url=${scheme}"><p>text`],
    ]),
  )
  const site = await openSite({ '/': links(...Object.keys(pages)), ...pages })
  const crawling = await openCrawling()
  const done = await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 1 }))
  expect(done.result).toMatchObject({ fetched: 1 + 2 * schemes.length, failed: 0, dropped: 0 })
})

test('what is remembered of cookies has bounds, whatever a site sends', () => {
  const memory = createRedirectMemory()
  const page = { id: 'p', operation: 'o', redirects: 0 }
  const from = 'http://example.com/'
  const headers = Array.from(
    { length: 5_000 },
    (_, n) => ['Set-Cookie', `c${n}=${'v'.repeat(n)}; Expires=${'x'.repeat(n)}`] as const,
  )
  expect(memory.follow(page, { here: 'a', there: 'a', from, headers })).toBe('through-wall')
  expect(memory.cookiesFor(page, from).split('; ').length).toBeLessThanOrEqual(100)
  expect(memory.cookiesFor(page, 'http://example.org/')).toBe('')
  expect(memory.cookiesFor({ operation: 'other' }, from)).toBe('')
  expect(joinedCookies('a=1; b=2', 'b=3')).toBe('a=1; b=3')
  expect(joinedCookies(undefined, 'b=3')).toBe('b=3')
  expect(joinedCookies('a=1', '')).toBe('a=1')
})
