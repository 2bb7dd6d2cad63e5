import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { crawlKey } from '../../../src/events/crawling/crawl-key.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { Unacceptable, Unavailable } from '../../../src/lib/errors.ts'
import type { JsonObject } from '../../../src/lib/json.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import type { EventLog } from '../../../src/stores/event-log.ts'
import { folder, links, openCrawling, openSite } from './harness.ts'

/** A site whose paths below `/slow` answer only when they are told to. */
const openSlowSite = async (front: string) => {
  const held: ServerResponse[] = []
  const site = await openSite((request, response) => {
    response.setHeader('content-type', 'text/html')
    if (request.url?.startsWith('/slow')) {
      held.push(response)
      site.server.emit('held')
    } else response.end(front)
  })
  return {
    ...site,
    untilHeld: async (count: number): Promise<void> => {
      while (held.length < count) await once(site.server, 'held')
    },
    release: (body = ''): void => {
      for (const response of held.splice(0)) response.end(body)
    },
  }
}

const name = { spiderid: 'link', appid: 'test', crawlid: 'one' }
const slowPaths = Array.from({ length: 30 }, (_, index) => `/slow/${index}`)

test('info counts what waits by domain, with the highest and the lowest priority, and says when the crawl expires', async () => {
  const site = await openSite({ '/': '' })
  const crawling = await openCrawling({ isStarted: false })
  const expires = Math.floor(crawling.clock.now() / 1000) + 3600
  await crawling.feed({ url: site.url('/'), spiderid: 'nobody', priority: 5 })
  await crawling.feed({ url: site.url('/'), spiderid: 'nobody', priority: 70, expires })
  await crawling.feed({ url: 'http://news.example.co.uk/', spiderid: 'nobody', crawlid: 'two' })
  await crawling.start()
  const local = { total: 2, high_priority: 70, low_priority: 5 }
  expect(await crawling.ask('crawling.info', { spiderid: 'nobody', crawlid: 'one', action: 'info' })).toEqual({
    uuid: 'u-1',
    server_time: expect.any(Number),
    appid: 'test',
    crawlid: 'one',
    spiderid: 'nobody',
    total_pending: 2,
    total_domains: 1,
    domains: { '127.0.0.1.': local },
    expires: String(expires),
  })
  const other = { total: 1, high_priority: 1, low_priority: 1 }
  expect(await crawling.ask('crawling.info', { spiderid: 'nobody', action: 'info' })).toEqual({
    uuid: 'u-1',
    server_time: expect.any(Number),
    appid: 'test',
    spiderid: 'nobody',
    total_pending: 3,
    total_domains: 2,
    total_crawlids: 2,
    crawlids: {
      one: { total: 2, distinct_domains: 1, domains: { '127.0.0.1.': local }, expires },
      two: { total: 1, distinct_domains: 1, domains: { 'example.co.uk': other } },
    },
  })
  expect(await crawling.ask('crawling.info', { spiderid: 'link', crawlid: 'none', action: 'info' })).toMatchObject({
    total_pending: 0,
    total_domains: 0,
    domains: {},
  })
})

test('a stop empties the queue, lets pages on their way finish and cancels the operation', async () => {
  const site = await openSlowSite(links(...slowPaths))
  const crawling = await openCrawling({ settings: { concurrency: 4, perHost: 4 } })
  const id = await crawling.feed({ url: site.url('/'), maxdepth: 3 })
  await site.untilHeld(4)
  const answer = await crawling.ask('crawling.stop', { spiderid: 'link', crawlid: 'one', action: 'stop' })
  expect(answer).toEqual({
    action: 'stop',
    uuid: 'u-1',
    server_time: expect.any(Number),
    appid: 'test',
    crawlid: 'one',
    spiderid: 'link',
    total_purged: 26,
  })
  await crawling.inState(id, 'cancelling')
  site.release(links('/never'))
  const done = await crawling.ended(id)
  expect(done.state).toBe('cancelled')
  await crawling.until(() => crawling.items.items({ limit: 100 }).items.length === 5)
  expect(site.requests).not.toContain('/never')
  const crawl = crawling.crawls.crawl(crawlKey(name))
  expect(crawl).toMatchObject({ state: 'stopped', queued: 0, fetching: 0, purged: 26, dropped: { crawl_stopped: 4 } })
  expect(crawling.crawls.stopList({ limit: 10 }).items).toMatchObject([{ ...name, cause: 'stopped', purged: 26, uuid: 'u-1' }])
})

test('a stopped crawl fetches a new seed and follows nothing', async () => {
  const site = await openSite({ '/': links('/a') })
  const crawling = await openCrawling()
  expect(await crawling.ask('crawling.stop', { spiderid: 'link', crawlid: 'one', action: 'stop' })).toMatchObject({
    total_purged: 0,
  })
  const done = await crawling.ended(await crawling.feed({ url: site.url('/'), maxdepth: 1 }))
  expect(done).toMatchObject({ state: 'succeeded', result: { fetched: 1, dropped: 1 } })
  expect(site.requests).toEqual(['/'])
})

test('a cancelled operation breaks off what it fetches', async () => {
  const site = await openSlowSite(links(...slowPaths))
  const crawling = await openCrawling({ settings: { concurrency: 4, perHost: 4 } })
  const id = await crawling.feed({ url: site.url('/'), maxdepth: 1 })
  await site.untilHeld(4)
  await crawling.cancel(id)
  expect((await crawling.ended(id)).state).toBe('cancelled')
  expect(crawling.crawls.crawl(crawlKey(name))).toMatchObject({ queued: 0, fetching: 0, purged: 30, fetched: { '200': 1 } })
  expect(crawling.crawls.totals()).toEqual({ queued: 0, fetching: 0 })
  const next = await crawling.ended(await crawling.feed({ url: site.url('/'), crawlid: 'two' }))
  expect(next.state).toBe('succeeded')
})

test('a stop without a crawlid and a domain-update without hits can never be answered', async () => {
  const crawling = await openCrawling()
  const failed = async (kind: string, input: JsonObject): Promise<unknown> =>
    (await crawling.ended(await crawling.request(kind, { uuid: 'u', appid: 'test', ...input }))).error
  const error = { type: 'unanswerable', retryable: false }
  expect(await failed('crawling.stop', { spiderid: 'link', action: 'stop' })).toMatchObject(error)
  expect(await failed('crawling.zookeeper', { domain: 'example.com', action: 'domain-update', window: 5 })).toMatchObject(error)
  const { fail } = crawling.counters.requests('monitor', crawling.clock.now())
  expect(fail).toBeUndefined()
})

test('a blacklisted domain is not fetched until it is let free', async () => {
  const site = await openSite({ '/': 'x' })
  const crawling = await openCrawling()
  const zookeeper = { domain: '127.0.0.1', appid: 'test', uuid: 'u-1' }
  expect(await crawling.ask('crawling.zookeeper', { ...zookeeper, action: 'blacklist-update' })).toEqual({
    ...zookeeper,
    action: 'blacklist-update',
    server_time: expect.any(Number),
  })
  const id = await crawling.feed({ url: site.url('/') })
  await crawling.ask('crawling.info', { spiderid: 'link', crawlid: 'one', action: 'info' })
  expect(crawling.queries.byId(id)?.state).toBe('pending')
  expect(crawling.crawls.domainRules({ limit: 10 }).items).toMatchObject([
    { domain: '127.0.0.1', throttle: null, blacklisted: { appid: 'test', uuid: 'u-1' } },
  ])
  await crawling.ask('crawling.zookeeper', { ...zookeeper, action: 'blacklist-remove' })
  expect((await crawling.ended(id)).state).toBe('succeeded')
  expect(crawling.crawls.domainRules({ limit: 10 }).items).toEqual([])
})

test('a change of a domain that the log does not take is answered with the error of the original', async () => {
  const shared = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
  onTestFinished(() => shared.close())
  const failing: EventLog = {
    ...shared,
    append: (stream, ...rest) => {
      if (stream === 'domain-gone.com') return Promise.reject(new Unavailable('no log'))
      if (stream === 'domain-large.com') return Promise.reject(new Unacceptable('too large'))
      return shared.append(stream, ...rest)
    },
  }
  const crawling = await openCrawling({ disk: { log: failing, directory: folder() } })
  const error = 'Unable to store Zookeeper config'
  expect(await crawling.ask('crawling.zookeeper', { domain: 'large.com', action: 'blacklist-update' })).toMatchObject({ error })
  expect(await crawling.ask('crawling.zookeeper', { domain: 'gone.com', action: 'blacklist-update' })).toEqual({
    ...{ domain: 'gone.com', action: 'blacklist-update', appid: 'test', uuid: 'u-1', server_time: expect.any(Number) },
    error,
  })
  expect(crawling.crawls.domainRules({ limit: 10 }).items).toEqual([])
})

test('a throttle of no hits holds a domain, and its removal lets it go at once', async () => {
  const site = await openSite({ '/': 'x' })
  const crawling = await openCrawling()
  const rule = { domain: '127.0.0.1.', hits: 1, window: 60, scale: 0.5 }
  await crawling.ask('crawling.zookeeper', { ...rule, action: 'domain-update' })
  const id = await crawling.feed({ url: site.url('/') })
  await crawling.ask('crawling.info', { spiderid: 'link', crawlid: 'one', action: 'info' })
  expect(crawling.queries.byId(id)?.state).toBe('pending')
  expect(crawling.crawls.domainRules({ limit: 10 }).items).toMatchObject([
    { domain: '127.0.0.1', throttle: { hits: 1, window: 60, scale: 0.5, effectiveHits: 0 } },
  ])
  await crawling.ask('crawling.zookeeper', { domain: '127.0.0.1', action: 'domain-remove' })
  expect((await crawling.ended(id)).state).toBe('succeeded')
})

test('starts of a domain keep their distance', async () => {
  const site = await openSite((_request, response) => response.end('x'))
  const crawling = await openCrawling({ settings: { hits: 5, windowS: 1, moderated: true } })
  const ids = await Promise.all([1, 2, 3].map((n) => crawling.feed({ url: site.url(`/${n}`), crawlid: String(n) })))
  for (const id of ids) await crawling.ended(id)
  const starts = (await crawling.allEvents())
    .filter(({ type }) => type === 'PageFetchStarted')
    .map(({ recordedAt }) => Date.parse(recordedAt))
  // A start is recorded a little after it was granted.
  expect((starts[2] as number) - (starts[0] as number)).toBeGreaterThan(350)
})

test('a crawl expires: its queue is emptied, it is on the stop list and its operation is cancelled', async () => {
  const site = await openSlowSite(links(...slowPaths))
  const crawling = await openCrawling({ settings: { concurrency: 2, perHost: 2 } })
  const expires = Math.floor(crawling.clock.now() / 1000) + 5
  const id = await crawling.feed({ url: site.url('/'), maxdepth: 1, expires })
  await site.untilHeld(2)
  expect(crawling.crawls.timers({ limit: 10 }).items).toMatchObject([{ ...name, expires }])
  await crawling.inState(id, 'cancelling')
  expect(crawling.clock.now()).toBeGreaterThan(expires * 1000)
  site.release()
  expect((await crawling.ended(id)).state).toBe('cancelled')
  expect(crawling.crawls.timers({ limit: 10 }).items).toEqual([])
  expect(crawling.crawls.stopList({ limit: 10 }).items).toMatchObject([{ ...name, cause: 'expired' }])
  expect(crawling.crawls.crawl(crawlKey(name))).toMatchObject({ state: 'expired', purged: 28 })
})

test('stats count what was asked, fetched and queued, this very request included', async () => {
  const site = await openSite({ '/': '' })
  const crawling = await openCrawling()
  await crawling.ended(await crawling.feed({ url: site.url('/') }))
  await crawling.ended(await crawling.feed({ url: site.url('/gone'), crawlid: 'two' }))
  await crawling.feed({ url: site.url('/'), spiderid: 'nobody' })
  const once_ = { '900': 1, '3600': 1, '21600': 1, '43200': 1, '86400': 1, '604800': 1, lifetime: 1 }
  const link = { count: 1, '200': once_, '404': once_ }
  const spiders = { unique_spider_count: 2, total_spider_count: 2, link, wandering: { count: 1 } }
  const machines = { count: 1, 'crawler-1': { '200': once_, '404': once_ } }
  const domains = [{ domain: '127.0.0.1.', backlog: 1 }]
  const queues = { total_backlog: 1, queue_nobody: { spider_backlog: 1, num_domains: 1, domains } }
  const asked = (stats: string) => crawling.ask('crawling.stats', { stats })
  const common = { uuid: 'u-1', appid: 'test', server_time: expect.any(Number) }
  expect(await asked('spider')).toEqual({ ...common, stats: 'spider', spiders })
  expect(await asked('machine')).toEqual({ ...common, stats: 'machine', machines })
  expect(await asked('queue')).toEqual({ ...common, stats: 'queue', queues })
  expect(await asked('crawler')).toEqual({ ...common, stats: 'crawler', spiders, machines, queue: queues, queues })
  expect(await asked('rest')).toEqual({ ...common, stats: 'rest', nodes: { 'crawler-1': ['0123456789ab'] } })
  const nodes = { 'crawler-1': [expect.any(String)] }
  expect(await asked('kafka-monitor')).toMatchObject({
    nodes,
    total: { lifetime: 9 },
    plugins: { ScraperHandler: { lifetime: 3 }, StatsHandler: { '900': 6, lifetime: 6 } },
  })
  expect(await asked('redis-monitor')).toMatchObject({
    nodes,
    total: { lifetime: 7 },
    plugins: { StatsMonitor: { lifetime: 7 } },
  })
  const all = await asked('all')
  expect(Object.keys(all).sort()).toEqual([
    'appid',
    'crawler',
    'kafka-monitor',
    'redis-monitor',
    'rest',
    'server_time',
    'stats',
    'uuid',
  ])
})
