import { expect, onTestFinished, test } from 'vitest'
import { canOwnEventStoreDb, ownEventStoreDb } from '../engines/own.ts'
import { kafkaBrokers } from '../engines/running.ts'
import { anchors, openWeb, shortest, starts } from '../workers/crawling/web.ts'
import { openCluster } from './cluster.ts'
import { allEvents, type Json, postJson, untilEnded } from './harness.ts'

const hits = 10
const windowS = 2
const crawls = 6
const pagesPerDomain = 6
const common = ['127.0.1.1', '127.0.1.2', '127.0.1.3']

test.skipIf(!canOwnEventStoreDb || kafkaBrokers === undefined)(
  'crawls of many workers, one of them killed: every page comes, and no domain is asked more often than it may be',
  { timeout: 180_000 },
  async () => {
    const eventStoreDb = await ownEventStoreDb()
    onTestFinished(() => eventStoreDb.stop())
    const cluster = openCluster({
      eventStoreDbUrl: eventStoreDb.url,
      kafkaBrokers: kafkaBrokers as string,
      env: { CRAWLING_HITS: String(hits), CRAWLING_WINDOW_S: String(windowS), CRAWLING_MODERATED: 'false', LEASE_MS: '3000' },
    })
    const servers = ['server-1', 'server-2'].map(cluster.server)
    const workers = ['worker-1', 'worker-2', 'worker-3'].map((name) => cluster.worker(name))
    await Promise.all([...servers, ...workers].map((node) => node.start()))
    const [one, two] = servers.map((server) => server.url()) as [string, string]
    const web = await openWeb(({ host, path }) =>
      path === '/'
        ? anchors(common.flatMap((to) => Array.from({ length: pagesPerDomain }, (_, n) => web.url(to, `/${host}/${n}`))))
        : '',
    )

    const stats = (await (await postJson(`${two}/feed`, { uuid: 'u', appid: 'test', stats: 'all' })).json()) as { data: Json }
    const ids = await Promise.all([one, two].map(async (url) => ((await (await fetch(url)).json()) as { my_id: string }).my_id))
    expect(
      Object.values((stats.data.rest as { nodes: Json }).nodes)
        .flat()
        .sort(),
    ).toEqual([...ids].sort())
    expect((stats.data.crawler as { spiders: Json }).spiders).toMatchObject({ link: { count: 3 } })

    const operations = await Promise.all(
      Array.from({ length: crawls }, async (_, n) => {
        const url = web.url(`127.0.0.${n + 1}`, '/')
        const fed = await postJson(`${one}/feed`, { appid: 'test', crawlid: `crawl-${n}`, url, maxdepth: 1 })
        return fed.headers.get('operation-id') ?? ''
      }),
    )
    await web.untilVisits(3 * hits)
    const busy = workers.find(({ name }) => name === 'worker-1')
    await busy?.kill('SIGKILL')

    const pages = 1 + common.length * pagesPerDomain
    const done = await Promise.all(operations.map((id) => untilEnded(two, id)))
    for (const operation of done) expect(operation).toMatchObject({ state: 'succeeded', result: { fetched: pages } })
    const begun = starts(await allEvents(two))
    const times = common.map((domain) => begun.ofDomain(`${domain}.`))
    const atSite = common.map((domain) => web.visits.filter(({ host }) => host === domain).map(({ at }) => at))
    console.log(
      `${begun.workers.size} workers, ${done.filter(({ attempt }) => Number(attempt) > 1).length} crawls moved, ${begun.putOff} starts put off;`,
      `${hits + 1} starts within ${Math.min(...times.map((all) => shortest(all, hits)))} ms by the log,`,
      `${Math.round(Math.min(...atSite.map((all) => shortest(all, hits))))} ms at the site`,
    )
    const distinct = new Set(web.visits.map(({ host, path }) => `${host}${path}`))
    expect(distinct.size).toBe(crawls * pages)
    // What the killed one was fetching is fetched again, nothing else.
    expect(web.visits.length - distinct.size).toBeLessThanOrEqual(16)
    for (const all of times) expect(shortest(all, hits)).toBeGreaterThanOrEqual(windowS * 1_000 - 100)
  },
)
