import { expect, test } from 'vitest'
import { crawlKey } from '../../../src/events/crawling/crawl-key.ts'
import { parseInstant } from '../../../src/lib/clock.ts'
import { links, openCrawling, openSite } from '../../workers/crawling/harness.ts'

const open = async (settings: Parameters<typeof openCrawling>[0] = {}) => {
  const site = await openSite({ '/': links('/a', '/b'), '/a': 'a', '/b': 'b' })
  return { site, ...(await openCrawling(settings)) }
}
const slow = { settings: { hits: 1, windowS: 600, moderated: true } }
const key = crawlKey({ spiderid: 'link', appid: 'test', crawlid: 'one' })

test('a spider that nobody runs is named', async () => {
  const { site, feed, queries, until, holds } = await open()
  const id = await feed({ url: site.url('/'), spiderid: 'my "spider"' })
  const shown = await until(() => queries.byId(id))
  expect(shown).toMatchObject({ state: 'pending', waitingFor: { reason: 'worker', until: null, operation: null } })
  expect(shown.waitingFor?.detail).toMatch(/spider "my \\"spider\\""/)
  const name = { spiderid: 'my "spider"', appid: 'test', crawlid: 'one' }
  expect(holds.ofCrawl({ ...name, key: crawlKey(name) })).toMatchObject({ reason: 'worker' })
})

test('a crawl that may not start yet names the throttle and the moment', async () => {
  const { site, feed, ended, queries, until, clock } = await open(slow)
  await ended(await feed({ url: site.url('/a') }))
  const id = await feed({ url: site.url('/b') })
  const { waitingFor } = await until(() => queries.byId(id))
  expect(waitingFor).toMatchObject({ reason: 'limit', detail: expect.stringContaining('127.0.0.1. (1 start in 600 s)') })
  expect(parseInstant(waitingFor?.until ?? '')).toBeGreaterThan(clock.now())
})

test('a crawl that waits between two of its pages says so while it runs, and its key too', async () => {
  const { site, feed, queries, until, holds, crawls } = await open(slow)
  const id = await feed({ url: site.url('/'), maxdepth: 1 })
  await until(() => crawls.totals().queued === 2 && crawls.totals().fetching === 0)
  const shown = queries.byId(id)
  expect(shown).toMatchObject({ state: 'running', waitingFor: { reason: 'limit', until: expect.any(String), operation: null } })
  expect(holds.ofCrawl({ key, spiderid: 'link' })?.until).toBe(shown?.waitingFor?.until)
})

test('a page that is being fetched is not waited for, nor one that may start at once', async () => {
  const site = await openSite(() => {})
  const { feed, queries, until, crawls, holds } = await openCrawling()
  const id = await feed({ url: site.url('/') })
  await until(() => crawls.totals().fetching === 1)
  expect(queries.byId(id)).toMatchObject({ state: 'running', waitingFor: null })
  expect(holds.ofCrawl({ key, spiderid: 'link' })).toBeUndefined()
})

test('the blacklist and a throttle that grants nothing have no moment', async () => {
  const { site, ask, feed, queries, until } = await open()
  const rule = { domain: '127.0.0.1', hits: 0, window: 0 }
  await ask('crawling.zookeeper', { ...rule, action: 'domain-update', hits: 1, window: 1, scale: 0 })
  const id = await feed({ url: site.url('/') })
  const waiting = () => queries.byId(id)?.waitingFor
  await until(waiting)
  expect(waiting()).toMatchObject({ reason: 'limit', detail: expect.stringContaining('0 hits'), until: null })
  await ask('crawling.zookeeper', { ...rule, action: 'blacklist-update' })
  expect(waiting()).toMatchObject({ reason: 'limit', detail: 'The domain 127.0.0.1. is on the blacklist.', until: null })
})
