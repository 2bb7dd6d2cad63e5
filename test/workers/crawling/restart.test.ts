import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { page } from '../../../src/commands/crawling/page.ts'
import { operation } from '../../../src/commands/operation.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { derivedId } from '../../../src/lib/ids.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import { fingerprint } from '../../../src/workers/crawling/links/canonical-url.ts'
import { folder, links, openCrawling, openSite } from './harness.ts'

/** What lasts while processes come and go. */
const openDisk = async () => {
  const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
  onTestFinished(() => log.close())
  return { log, directory: folder() }
}

const dead = { actor: { principal: 'x', face: null, address: null }, correlationId: 'x' }
const memory = { forgot: false, forgotCounts: false }

/** Leaves a seed as a process does that is killed in the middle of its fetch, and perhaps in the middle of queuing its links. */
const dieFetching = async (
  { executor }: Awaited<ReturnType<typeof openCrawling>>,
  id: string,
  { url, attempt = 1, queued = [] }: { url: string; attempt?: number; queued?: readonly string[] },
) => {
  const seed = derivedId('seed', id)
  const now = Date.now()
  const owner = { operation: id, spiderid: 'link', appid: 'test', crawlid: 'one', attempt }
  const about = { ...owner, host: 'dead', url, fingerprint: fingerprint('GET', url), domain: '127.0.0.1.', depth: 0, priority: 1 }
  const context = (name: string) => ({ ...dead, commandId: `${name} ${attempt}` })
  await executor.execute(operation, { type: 'StartAttempt', id, worker: 'dead', now }, context('attempt'))
  const start = { type: 'StartFetch', page: seed, fetch: { ...about, worker: 'dead' } } as const
  await executor.execute(page, start, context('start'))
  const found = queued.map((link) => {
    const mark = fingerprint('GET', link)
    const place = { domain: '127.0.0.1.', depth: 1, priority: -9, referer: url }
    return { id: derivedId('link', seed, mark), url: link, fingerprint: mark, ...place }
  })
  if (found.length === 0) return
  await executor.execute(page, { type: 'QueueLinks', page: seed, fetch: owner, found, memory }, context('queue'))
}

test('pages that were being fetched when the process stopped are fetched again, and nothing twice that was kept', async () => {
  const paths = Array.from({ length: 12 }, (_, index) => `/${index}`)
  let isStuck = true
  const site = await openSite((request, response) => {
    response.setHeader('content-type', 'text/html')
    const isHeld = isStuck && ['/5', '/6'].includes(request.url ?? '')
    if (isHeld) site.server.emit('stuck')
    else response.end(request.url === '/' ? links(...paths) : 'x')
  })
  const disk = await openDisk()
  const first = await openCrawling({ disk, settings: { concurrency: 2 } })
  const id = await first.feed({ url: site.url('/'), maxdepth: 1 })
  let stuck = 0
  while (stuck < 2) {
    await once(site.server, 'stuck')
    stuck++
  }
  expect(first.crawls.totals()).toEqual({ queued: 5, fetching: 2 })
  await first.stop()

  isStuck = false
  const second = await openCrawling({ disk, isStarted: false })
  expect(second.queries.byId(id)?.state).toBe('retrying')
  expect(second.crawls.totals()).toEqual({ queued: 7, fetching: 0 })
  await second.start()
  const done = await second.ended(id)
  expect(done).toMatchObject({ state: 'succeeded', attempt: 2, result: { fetched: 13 } })
  expect(second.crawled().sort()).toEqual(['/', ...paths].sort())
  expect(site.requests).toHaveLength(15)
})

test('a process that died leaves its operation to the next one', async () => {
  const site = await openSite({ '/': links('/a', '/b'), '/a': 'a', '/b': 'b' })
  const disk = await openDisk()
  const first = await openCrawling({ disk, isStarted: false })
  const id = await first.feed({ url: site.url('/'), maxdepth: 1 })
  await dieFetching(first, id, { url: site.url('/') })
  await first.stop()
  const second = await openCrawling({ disk })
  const done = await second.ended(id)
  expect(done).toMatchObject({ state: 'succeeded', attempt: 2, result: { fetched: 3 } })
  expect(second.crawls.pages({ key: second.crawls.crawls({ limit: 1 }).items[0]?.key ?? '', limit: 1 }).items).toMatchObject([
    { attempts: 2, state: 'fetched' },
  ])
})

test('a page whose processes died fails when it has died more often than pages are tried again', async () => {
  const site = await openSite({ '/': 'x' })
  const disk = await openDisk()
  const crawling = await openCrawling({ disk, isStarted: false, settings: { retries: 1 } })
  const url = site.url('/')
  const id = await crawling.feed({ url })
  for (const attempt of [1, 2]) {
    await dieFetching(crawling, id, { url, attempt })
    await crawling.executor.execute(
      operation,
      { type: 'LoseAttempt', id, attempt, now: Date.now() },
      { ...dead, commandId: `lost ${attempt}` },
    )
  }
  await crawling.start()
  const error = { type: 'lost', message: 'the process that fetched and read the page died 2 times' }
  expect(await crawling.ended(id)).toMatchObject({ state: 'failed', error })
  expect(site.requests).toEqual([])
})

test('links that a process queued before it died are neither lost nor queued twice', async () => {
  const paths = Array.from({ length: 300 }, (_, index) => `/${index}`)
  const site = await openSite((request, response) => {
    response.setHeader('content-type', 'text/html')
    response.end(request.url === '/' ? links(...paths) : 'x')
  })
  const disk = await openDisk()
  const first = await openCrawling({ disk, isStarted: false })
  const id = await first.feed({ url: site.url('/'), maxdepth: 1 })
  await dieFetching(first, id, { url: site.url('/'), queued: paths.slice(0, 100).map((path) => site.url(path)) })
  await first.stop()
  const second = await openCrawling({ disk })
  expect(await second.ended(id)).toMatchObject({ state: 'succeeded', attempt: 2, result: { fetched: 301, dropped: 0 } })
  expect(site.requests.toSorted()).toEqual(['/', ...paths].toSorted())
  const events = await second.events(`page-${derivedId('seed', id)}`)
  const appends = events.map(({ type, data }) => (type === 'PagesQueued' ? (data.pages as unknown[]).length : type))
  expect(appends).toEqual(['PageFetchStarted', 100, 'PageFetchStarted', 150, 50, 'PageFetched'])
})

test('a throttle does not open a new window after a restart', async () => {
  const site = await openSite((_request, response) => response.end('x'))
  const disk = await openDisk()
  const settings = { hits: 2, windowS: 600, moderated: false }
  const first = await openCrawling({ disk, settings })
  const ids = await Promise.all([1, 2, 3].map((n) => first.feed({ url: site.url(`/${n}`), crawlid: String(n) })))
  await Promise.all(ids.slice(0, 2).map((id) => first.ended(id)))
  await first.stop()
  const second = await openCrawling({ disk, settings })
  const other = await openSite((_request, response) => response.end('x'))
  const elsewhere = await second.feed({ url: other.url('/').replace('127.0.0.1', 'localhost'), crawlid: 'else' })
  await second.ended(elsewhere)
  expect(site.requests).toHaveLength(2)
  expect(second.queries.byId(ids[2] as string)?.state).toBe('pending')
})

test('a view made anew from the log equals the one that grew', async () => {
  const site = await openSite({ '/': links('/a', '/b', '/broken'), '/a': links('/b', '/c'), '/b': '', '/c': '' })
  const disk = await openDisk()
  const first = await openCrawling({ disk })
  await first.ended(await first.feed({ url: site.url('/'), maxdepth: 2 }))
  await first.feed({ url: site.url('/'), spiderid: 'nobody' })
  await first.ask('crawling.stop', { spiderid: 'nobody', crawlid: 'one', action: 'stop' })
  const shown = (crawling: typeof first) => ({
    crawls: crawling.crawls.crawls({ limit: 10 }),
    pages: crawling.crawls.crawls({ limit: 10 }).items.map(({ key }) => crawling.crawls.pages({ key, limit: 100 })),
    queues: crawling.crawls.queueStats(),
    stops: crawling.crawls.stopList({ limit: 10 }),
    items: crawling.items.items({ limit: 100 }),
  })
  const grown = shown(first)
  await first.stop()
  const second = await openCrawling({ disk, isStarted: false })
  expect(shown(second)).toEqual(grown)
})
