import { expect, test } from 'vitest'
import { withoutCrawlSecrets } from '../../../src/commands/crawling/crawl-secrets.ts'
import { createClassifier, feed } from '../../../src/commands/crawling/feed.ts'
import { splitUserinfo } from '../../../src/events/crawling/userinfo.ts'
import { refererFor, siteSecrets } from '../../../src/workers/crawling/fetch/site-secrets.ts'
import { links, openCrawling, openSite } from './harness.ts'

const cookie = 'session=tops3cret'
const password = 'pa55word'

test('cookie and password of a crawl are sealed in the log, in no blob and masked where they are shown', async () => {
  const site = await openSite({ '/': links('/a', 'http://other:pa55word@127.0.0.1/b.png'), '/a': '<p>a' })
  const crawling = await openCrawling()
  const url = site.url('/').replace('//', `//jane:${password}@`)
  const id = await crawling.feed({ url, cookie, maxdepth: 1 })
  const done = await crawling.ended(id)
  expect(done.result).toMatchObject({ fetched: 2 })
  expect(done.input).toMatchObject({ url: site.url('/'), cookie: '***', userinfo: '***' })

  const basic = `Basic ${Buffer.from(`jane:${password}`).toString('base64')}`
  expect(site.headers.map((headers) => [headers.cookie, headers.authorization, headers.referer])).toEqual([
    [cookie, basic, undefined],
    [cookie, basic, site.url('/')],
  ])
  const told = JSON.stringify([
    await crawling.allEvents(),
    crawling.crawls.crawls({ limit: 10 }).items.map(({ key }) => crawling.crawls.pages({ key, limit: 10 }).items),
    await Promise.all(crawling.items.items({ limit: 10 }).items.map(crawling.item)).then((items) =>
      items.map(({ body: _body, ...document }) => document),
    ),
  ])
  for (const secret of [cookie, 'tops3cret', password, basic.slice(6)]) expect(told).not.toContain(secret)
  const [item] = crawling.items.items({ limit: 1 }).items
  const { request_headers: shown } = await crawling.item(item as NonNullable<typeof item>)
  expect(shown).toMatchObject({ Cookie: ['***'], Authorization: ['***'] })
})

test('neither a link nor a redirect takes a secret to another host', async () => {
  const other = await openSite({ '/': '<p>other', '/moved': '<p>other' })
  const there = (path: string): string => other.url(path).replace('127.0.0.1', 'localhost')
  const site = await openSite({
    '/': links(there('/'), '/moved'),
    '/moved': (_request, response) => response.writeHead(302, { location: there('/moved') }).end(),
  })
  const crawling = await openCrawling()
  await crawling.ended(await crawling.feed({ url: site.url('/').replace('//', `//jane:${password}@`), cookie, maxdepth: 1 }))
  expect(site.headers.map((headers) => headers.cookie)).toEqual([cookie, cookie])
  expect(other.requests.toSorted()).toEqual(['/', '/moved'])
  expect(other.headers.map(({ cookie, authorization }) => ({ cookie, authorization }))).toEqual([{}, {}])
  for (const { referer = '' } of other.headers) expect(referer).not.toContain('@')
})

test.each([
  ['http://www.example.com/', 'http://www.example.com/x', true, true],
  ['http://www.example.com/', 'https://www.example.com/', true, true],
  ['http://example.com/', 'http://www.example.com:8080/', true, false],
  ['http://shop.example.co.uk/', 'http://example.co.uk/', true, false],
  ['https://example.com/', 'http://example.com/', false, false],
  ['http://example.com/', 'http://example.org/', false, false],
  ['http://example.com/', 'http://example.com.evil.org/', false, false],
  ['http://example.com/', 'http://notexample.com/', false, false],
  ['http://jane.github.io/', 'http://joe.github.io/', false, false],
  ['http://a.co.uk/', 'http://b.co.uk/', false, false],
  ['http://127.0.0.1/', 'http://127.0.0.1:81/', true, false],
  ['http://127.0.0.1/', 'http://127.0.0.2/', false, false],
  ['http://127.0.0.1/', 'http://localhost/', false, false],
  ['http://10.0.0.1/', 'http://20.0.0.1/', false, false],
  ['example.com', 'http://example.com/', true, true],
  ['http://[::1]/', 'http://[::2]/', false, false],
])('of a crawl of %s the address %s sees the cookie: %s, the password: %s', (seed, url, sees, mayLogIn) => {
  const given = siteSecrets({ url: seed, cookie, userinfo: 'jane:x' }, url)
  expect([given.cookie !== undefined, given.authorization !== undefined]).toEqual([sees, mayLogIn])
})

test('a page that was fetched with TLS is not named to one without', () => {
  expect(refererFor('https://example.com/', 'http://example.com/a')).toBeNull()
  expect(refererFor('https://example.com/', 'https://example.org/')).toBe('https://example.com/')
  expect(refererFor('http://example.com/', 'http://example.org/')).toBe('http://example.com/')
  expect(refererFor(null, 'http://example.org/')).toBeNull()
})

test.each([
  ['http://jane:p%40ss@example.com/a?b=@', 'http://example.com/a?b=@', 'jane:p%40ss'],
  ['http://jane@example.com', 'http://example.com/', 'jane'],
  ['http:\\\\jane:x@example.com/', 'http://example.com/', 'jane:x'],
  ['http:jane:x@example.com/', 'http://example.com/', 'jane:x'],
  ['HTTP://a:b:c@d@example.com/', 'http://example.com/', 'a:b%3Ac%40d'],
  ['ftp://jane:x@example.com/', 'ftp://example.com/', 'jane:x'],
  ['jane:x@example.com/', 'jane:***@example.com/', ''],
  ['http://jane:x@exa mple.com/', 'http://***@exa mple.com/', ''],
  ['http://medium.com/@jane', 'http://medium.com/@jane', ''],
  ['http://example.com/%7Ejane/A b', 'http://example.com/%7Ejane/A b', ''],
])('of %s the address is %s', (given, url, userinfo) => {
  expect(splitUserinfo(given)).toEqual({ url, userinfo })
})

test('what fits no schema is kept and quoted without its secrets', () => {
  const payload = { url: `http://jane:${password}@example.com/`, appid: 'test', crawlid: 'one', cookie: ['x', cookie], depth: 1 }
  const kept = feed.decide(
    { type: 'RejectFeed', id: '1', payload, nearestClass: 'crawl', errors: [] },
    { rejected: false },
  ) as unknown as { events: { data: unknown }[] }
  expect(kept.events[0]?.data).toMatchObject({ payload: { url: 'http://example.com/', cookie: '***', depth: 1 } })
  const why = createClassifier({ maxDepth: 3 })({ ...payload, cookie: `${'x'.repeat(1000)}${cookie}` })
  const alsoWhy = createClassifier({ maxDepth: 3 })({ ...payload, cookie: 'a1' })
  const texts = createClassifier({ maxDepth: 3 })([payload, `see http://jane:${password}@example.com/`])
  expect(JSON.stringify([why, texts])).not.toMatch(/tops3cret|pa55word|xxxx/)
  expect(JSON.stringify(alsoWhy)).not.toContain('a1')
  expect(withoutCrawlSecrets(`{"url": "http://jane:${password}@example.com/", "cookie" : "a\\"${cookie}`)).toBe(
    '{"url": "http://***@example.com/", "cookie" : "***"',
  )
})

test('masking takes time that is linear in its length', () => {
  for (const text of ['//'.repeat(500_000), `//${'a'.repeat(1_000_000)}`, '"cookie":"'.repeat(100_000), 'a@'.repeat(500_000)])
    expect(withoutCrawlSecrets(text)).toBeDefined()
})
