import { expect, test } from 'vitest'
import { defaultCrawlingSettings } from '../../../../src/commands/crawling/settings.ts'
import { systemClock } from '../../../../src/lib/clock.ts'
import { createRobots } from '../../../../src/workers/crawling/fetch/robots.ts'
import { robotsRules } from '../../../../src/workers/crawling/fetch/robots-rules.ts'
import { createTargets } from '../../../../src/workers/outbound/address-guard.ts'
import { createConnections } from '../../../../src/workers/outbound/connections.ts'
import { links, openCrawling, openSite } from '../harness.ts'
import { openWeb } from '../web.ts'

const text = `
User-agent: *
Disallow: /private   # not for you
Allow: /private/open
Disallow: /*.gif$
Disallow: /*?session=*&page=
Disallow: /caf\u00e9/%7e

User-Agent: Other
User-Agent: intendant
Disallow: /only-us
Disallow:
`
test.each<[string, string, boolean]>([
  ['/', 'Someone/1.0', true],
  ['/private', 'Someone/1.0', false],
  ['/private/x', 'Someone/1.0', false],
  ['/privateer', 'Someone/1.0', false],
  ['/Private', 'Someone/1.0', true],
  ['/private/open/x', 'Someone/1.0', true],
  ['/a/b.gif', 'Someone/1.0', false],
  ['/a/b.gif?x', 'Someone/1.0', true],
  ['/a?session=1&page=2', 'Someone/1.0', false],
  ['/a?session=1&pages', 'Someone/1.0', true],
  ['/caf%c3%a9/%7E', 'Someone/1.0', false],
  ['/private', 'Intendant/0.1.0', true],
  ['/only-us/x', 'Intendant/0.1.0', false],
  ['/only-us', 'Mozilla/5.0 (compatible; Intendant)', false],
  ['/only-us', 'Someone/1.0', true],
])('%s for %s: %s', async (path, agent, isAllowed) => {
  expect((await robotsRules(text, agent)).allows(path)).toBe(isAllowed)
})

test('what is no robots.txt allows everything', async () => {
  for (const odd of ['', '<html>', 'Disallow: /', 'User-agent: *\nDisallow:', ':', '\0'])
    expect((await robotsRules(odd, 'x')).allows('/')).toBe(true)
  expect((await robotsRules('User-agent: *\r\rDisallow: /\r', 'x')).allows('/')).toBe(false)
})

test('a robots.txt of any kind is read in linear time and memory', async () => {
  const path = `/${'a'.repeat(2000)}`
  for (const odd of [
    'User-agent: *\n'.repeat(40_000),
    `${'User-agent: a\n'.repeat(20_000)}${'Disallow: /b\n'.repeat(20_000)}`,
    `User-agent: *\n${'Disallow: /*a*a*a*a*a*a*b\n'.repeat(20_000)}`,
    `User-agent: *\nDisallow: /${'*a'.repeat(250_000)}b`,
    `User-agent: *\nDisallow: /${'*'.repeat(500_000)}b`,
  ])
    expect(typeof (await robotsRules(odd, 'a')).allows(path)).toBe('boolean')
})

test('a long robots.txt lets others have their turn', async () => {
  const lines = 50_000
  let rounds = 0
  let isRead = false
  const count = (): void => {
    rounds++
    if (!isRead) setImmediate(count)
  }
  setImmediate(count)
  const { size, allows } = await robotsRules(`User-agent: *\n${'Allow: /a\n'.repeat(lines - 1)}Disallow: /b`, 'x')
  isRead = true
  expect(allows('/b')).toBe(false)
  expect(rounds).toBeGreaterThanOrEqual(20)
  expect(size).toBeGreaterThan(100 * lines)
})

test('who is told to stop does not wait for a site that is silent about its robots.txt', async () => {
  const web = await openWeb(() => '', { holds: () => true })
  const targets = createTargets({ allowLinkLocal: false, allowPrivate: true })
  const mayFetch = createRobots({
    settings: defaultCrawlingSettings,
    connections: createConnections(targets),
    userAgent: 'x',
    clock: systemClock,
  })
  const ending = new AbortController()
  const asked = mayFetch(web.url('127.0.0.1', '/'), undefined, ending.signal)
  await web.untilVisits(1)
  ending.abort(new Error('stopped'))
  await expect(asked).rejects.toThrow('stopped')
})

test('a crawl asks for robots.txt only when it is told to, once for a site', async () => {
  const pages = {
    '/': links('/a', '/private'),
    '/a': '',
    '/private': '',
    '/robots.txt': 'User-agent: *\nDisallow: /private',
  }
  const site = await openSite(pages)
  const crawling = await openCrawling({ settings: { robotstxt: true, concurrency: 1 } })
  const done = await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 1 }))
  expect(done.result).toMatchObject({ fetched: 2, dropped: 1, failed: 0 })
  expect(site.requests).toEqual(['/robots.txt', '/', '/a'])
  expect(crawling.crawls.crawls({ limit: 1 }).items[0]?.dropped).toEqual({ robotstxt: 1 })
  const other = await openSite(pages)
  const careless = await openCrawling()
  await careless.ended(await careless.feed({ url: other.url('/'), maxdepth: 1 }))
  expect(other.requests).not.toContain('/robots.txt')
})
