import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { Unavailable } from '../../../src/lib/errors.ts'
import { createLocalLeases } from '../../../src/stores/embedded/leases.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import type { EventLog } from '../../../src/stores/event-log.ts'
import type { Leases } from '../../../src/stores/leases.ts'
import { liveServers } from '../../../src/workers/crawling/topics/heartbeat.ts'
import { createPeers } from '../../../src/workers/engine/peer-workers.ts'
import { type CrawlingOptions, folder, openCrawling } from './harness.ts'
import { anchors, openWeb, shortest, starts } from './web.ts'

const kind = 'crawling.crawl'
const names = { one: 'aaaaaaaaaaaa', two: 'bbbbbbbbbbbb' }

/** Two processes over one log, each with its own views; `kill` cuts the first one off without a word. */
const openTwo = async (settings: CrawlingOptions['settings'], leaseMs = 8_000) => {
  const shared = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
  onTestFinished(() => shared.close())
  const directory = folder()
  const leases = createLocalLeases()
  let isCut = false
  let isSilent = false
  const unless = <Result>(fault: boolean, work: () => Promise<Result>): Promise<Result> =>
    fault ? Promise.reject(new Unavailable('cut off')) : work()
  /** Streams that the first process read. */
  const reads: string[] = []
  const log: EventLog = {
    ...shared,
    append: (...append) => unless(isCut, () => shared.append(...append)),
    readStream: (stream, options) => {
      reads.push(stream)
      return shared.readStream(stream, options)
    },
  }
  const own: Leases = {
    ...leases,
    renew: (lease) => unless(isCut || isSilent, () => leases.renew(lease)),
    release: async () => undefined,
  }
  const options = settings === undefined ? {} : { settings }
  const one = await openCrawling({
    ...options,
    disk: { log, directory },
    among: { leases: own, id: names.one, leads: false, leaseMs },
  })
  const [first] = leases.live(performance.now())
  const two = await openCrawling({
    ...options,
    disk: { log: shared, directory },
    among: { leases, id: names.two, leads: true, leaseMs },
  })
  const crawlers = createPeers({ leases, clock: systemClock, kind, me: () => first?.worker ?? '' })
  /** Addresses whose crawls the first process begins, and those of the second. */
  const hosts = Array.from({ length: 200 }, (_, index) => `127.0.0.${index + 1}`)
  const ofOne = hosts.filter((host) => crawlers.owns(`${host}.`))
  return {
    one,
    two,
    ofOne,
    ofTwo: hosts.filter((host) => !ofOne.includes(host)),
    reads,
    kill: () => (isCut = true),
    silence: () => (isSilent = true),
  }
}

test('two processes crawl: every page once, and no domain gets more starts in a window than it may', async () => {
  const common = ['127.0.1.1', '127.0.1.2', '127.0.1.3']
  const web = await openWeb(({ host, path }) =>
    path === '/' ? anchors(common.flatMap((to) => [1, 2, 3, 4, 5, 6].map((n) => web.url(to, `/${host}/${n}`)))) : '',
  )
  const { one, two, ofOne, ofTwo } = await openTwo({ hits: 5, windowS: 1, moderated: false })
  const seeds = [...ofOne.slice(0, 2), ...ofTwo.slice(0, 2)]
  const ids = await Promise.all(seeds.map((host) => one.feed({ url: web.url(host, '/'), crawlid: host, maxdepth: 1 })))
  for (const id of ids) expect(await two.ended(id)).toMatchObject({ state: 'succeeded', attempt: 1, result: { fetched: 19 } })
  expect(web.visits).toHaveLength(4 * 19)
  expect(new Set(web.visits.map(({ host, path }) => `${host}${path}`)).size).toBe(4 * 19)

  const begun = starts(await two.allEvents())
  expect([...begun.workers].sort()).toEqual([names.one, names.two])
  for (const domain of common) {
    const times = begun.ofDomain(`${domain}.`)
    expect(times).toHaveLength(24)
    expect(shortest(times, 5)).toBeGreaterThanOrEqual(950)
  }
})

test('spiders that wait for the same domain take turns, at the distance that the throttle asks for', async () => {
  const common = '127.0.1.1'
  const paths = Array.from({ length: 6 }, (_, n) => n)
  const web = await openWeb(({ host, path }) => (path === '/' ? anchors(paths.map((n) => web.url(common, `/${host}/${n}`))) : ''))
  const { one, two, ofOne, ofTwo } = await openTwo({ moderated: true })
  // Held by a rule that grants no start until both have all their pages in the queue.
  const grant = async (scale: number): Promise<void> => {
    const rule = { domain: common, action: 'domain-update', hits: 20, window: 3, scale }
    await one.ask('crawling.zookeeper', rule)
    for (const spider of [one, two]) await spider.until(() => spider.queue.throttleRules()[0]?.scale === scale)
  }
  await grant(0)
  const seeds = [ofOne[0] ?? '', ofTwo[0] ?? '']
  const ids = await Promise.all(seeds.map((host) => one.feed({ url: web.url(host, '/'), crawlid: host, maxdepth: 1 })))
  for (const spider of [one, two]) await spider.until(() => spider.crawls.totals().queued === 12)
  await grant(1)
  for (const id of ids) expect(await two.ended(id)).toMatchObject({ state: 'succeeded', result: { fetched: 7 } })
  const begun = starts(await two.allEvents())
  expect(shortest(begun.ofDomain(`${common}.`), 1)).toBeGreaterThanOrEqual(130)
  // Nobody is left behind: each has had about its half whenever one looks.
  const turns = begun.workersOf(`${common}.`)
  expect(turns).toHaveLength(12)
  const ahead = turns.map((_, index) =>
    turns.slice(0, index + 1).reduce<number>((sum, id) => sum + (id === names.one ? 1 : -1), 0),
  )
  expect(Math.max(...ahead.map(Math.abs))).toBeLessThanOrEqual(3)
})

test('a crawl that runs elsewhere is left alone, and taken over when its process dies', async () => {
  const paths = Array.from({ length: 20 }, (_, n) => `/${n}`)
  let isHeld = true
  const web = await openWeb(({ host, path }) => (path === '/' ? anchors(paths.map((to) => web.url(host, to))) : ''), {
    holds: ({ path }) => isHeld && path !== '/',
  })
  const { one, two, ofOne, reads, kill } = await openTwo({ concurrency: 4 }, 1_000)
  const [host = ''] = ofOne
  const id = await two.feed({ url: web.url(host, '/'), maxdepth: 1 })
  await two.until(() => two.crawls.totals().fetching === 4)
  expect(two.queue.job(id)?.holder).toBe(two.queries.byId(id)?.worker)
  expect(starts(await two.allEvents()).workers).toEqual(new Set([names.one]))
  await web.untilVisits(5)
  kill()
  isHeld = false
  const done = await two.ended(id)
  expect(done).toMatchObject({ state: 'succeeded', attempt: 2, result: { fetched: 21 } })
  expect(starts(await two.allEvents()).workers).toEqual(new Set([names.one, names.two]))
  // The four that were on their way are fetched again, nothing else.
  expect(web.visits).toHaveLength(21 + 4)
  await one.until(() => one.queue.job(id)?.state === 'ended')
  expect(reads.filter((stream) => stream === `operation-${id}`).length).toBeLessThanOrEqual(4)
})

test('what waits in the queue of another one does not make a process busy', async () => {
  const paths = Array.from({ length: 50 }, (_, n) => `/${n}`)
  const web = await openWeb(({ host, path }) => (path === '/' ? anchors(paths.map((to) => web.url(host, to))) : ''), {
    holds: ({ path }) => path !== '/',
  })
  const { one, two, ofOne, ofTwo, reads } = await openTwo({ concurrency: 2 })
  const [mine = ''] = ofOne
  const [other = ''] = ofTwo
  const id = await two.feed({ url: web.url(other, '/'), maxdepth: 1 })
  await two.until(() => two.crawls.totals().fetching === 2)
  // The same domain by another crawl: its seed belongs to the owner of the domain, whose slots are all in use.
  const second = await two.feed({ url: web.url(other, '/'), crawlid: 'second' })
  const own = await one.feed({ url: web.url(mine, '/'), crawlid: 'own' })
  await one.ended(own)
  expect(one.queries.byId(second)?.state).toBe('pending')
  expect(reads.filter((stream) => stream.endsWith(id) || stream.endsWith(second))).toEqual([])
})

test('statistics name every live process, whoever is asked', async () => {
  const { one, two } = await openTwo({})
  for (const asked of [one, two]) {
    const all = await asked.ask('crawling.stats', { stats: 'all' })
    expect(all).toMatchObject({
      rest: { nodes: { 'crawler-1': [names.one, names.two] } },
      crawler: { spiders: { total_spider_count: 4, link: { count: 2 } } },
      'kafka-monitor': { nodes: { 'crawler-1': [expect.any(String), expect.any(String)] } },
    })
  }
  await two.stop()
  expect(liveServers(one.leases, systemClock.monotonic()).map(({ id }) => id)).toEqual([names.one])
})

test('a process that lives but could not renew its lease leaves its crawl to another, and spoils nothing', async () => {
  const paths = Array.from({ length: 20 }, (_, n) => `/${n}`)
  let isHeld = true
  const web = await openWeb(({ host, path }) => (path === '/' ? anchors(paths.map((to) => web.url(host, to))) : ''), {
    holds: ({ path }) => isHeld && path !== '/',
  })
  const { two, ofOne, silence } = await openTwo({ concurrency: 4 }, 1_000)
  const [host = ''] = ofOne
  const id = await two.feed({ url: web.url(host, '/'), maxdepth: 1 })
  await two.until(() => two.crawls.totals().fetching === 4)
  await web.untilVisits(5)
  isHeld = false
  silence()
  expect(await two.ended(id)).toMatchObject({ state: 'succeeded', attempt: 2, result: { fetched: 21 } })
  expect(two.crawled().sort()).toEqual(['/', ...paths].sort())
  expect(web.visits).toHaveLength(21 + 4)
})

test('a crawl expires once, whoever minds the timers, and also when that one is gone', async () => {
  const { one, two, kill } = await openTwo({}, 1_000)
  const inSeconds = (s: number): number => Math.floor(systemClock.now() / 1000) + s
  const waiting = { url: 'http://127.0.2.1/', spiderid: 'nobody' }
  const first = await two.feed({ ...waiting, crawlid: 'first', expires: inSeconds(1) })
  expect((await two.ended(first)).state).toBe('cancelled')
  kill()
  const second = await two.feed({ ...waiting, crawlid: 'second', expires: inSeconds(3) })
  expect((await two.ended(second)).state).toBe('cancelled')
  const expired = (await two.allEvents()).filter(({ type }) => type === 'CrawlExpired').map(({ data }) => data.crawlid)
  expect(expired).toEqual(['first', 'second'])
  await one.inState(second, 'cancelled')
})
