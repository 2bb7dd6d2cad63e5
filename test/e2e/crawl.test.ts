import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CrawlSite, hugeBytes, lists, oddities, pagesPerList, secondPages, startCrawlSite } from './crawl-site.ts'
import {
  allEvents,
  getJson,
  type Json,
  postJson,
  type ServerProcess,
  startServer,
  temporaryDirectory,
  untilEnded,
  untilState,
} from './harness.ts'

let site: CrawlSite
beforeAll(async () => {
  site = await startCrawlSite()
})
afterAll(() => site.close())

/** Fast enough for a test: no throttle to speak of, little patience. */
const hasty = {
  CRAWLING_HITS: '100000',
  CRAWLING_WINDOW_S: '1',
  CRAWLING_MODERATED: 'false',
  CRAWLING_DOWNLOAD_TIMEOUT_MS: '1500',
  CRAWLING_MAX_BYTES: '1000000',
}

const feed = async (
  { url }: ServerProcess,
  payload: Json,
): Promise<{ readonly data: Json | null; readonly operation: string }> => {
  const response = await postJson(`${url}/feed`, payload)
  const answer = (await response.json()) as Json
  expect([response.status, answer.status, answer.error]).toEqual([200, 'SUCCESS', null])
  return { data: answer.data as Json | null, operation: response.headers.get('operation-id') ?? '' }
}

/** Every item of a list of the native API. */
const listed = async (address: string): Promise<readonly Json[]> => {
  const items: Json[] = []
  let cursor: string | null = null
  do {
    const page: Json = await getJson(
      `${address}${address.includes('?') ? '&' : '?'}limit=100${cursor === null ? '' : `&cursor=${cursor}`}`,
    )
    items.push(...(page.items as Json[]))
    cursor = page.next as string | null
  } while (cursor !== null)
  return items
}

const crawlOf = async ({ url }: ServerProcess, crawlid: string): Promise<Json> =>
  (await listed(`${url}/v1/crawls?crawlid=${crawlid}`))[0] as Json

const itemOf = async ({ url }: ServerProcess, pages: readonly Json[], address: string): Promise<Json> =>
  getJson(`${url}/v1/crawls/items/${pages.find((page) => page.url === address)?.id}`)

describe('a crawl of a web where everything goes wrong', () => {
  const statuses: readonly number[] = Object.values(oddities.items)
  const redirected = Object.keys(oddities.redirects).length
  const leaves = lists * pagesPerList + secondPages - 1
  // The front page, the lists, the second host and what they link to.
  const fine = 1 + lists + 1 + leaves + redirected + statuses.filter((status) => status === 200).length

  test('fetches every page once and says of every other one what became of it', async () => {
    const server = await startServer({ env: hasty })
    const visitsBefore = site.visits.length
    const { data, operation } = await feed(server, {
      appid: 'testapp',
      crawlid: 'everything',
      url: `${site.main}/`,
      maxdepth: 2,
      priority: 100,
      attrs: { any: ['thing'] },
      useragent: 'Test crawler',
      cookie: 'a=1;b=2',
    })
    expect(data).toBeNull()
    expect(await untilEnded(server.url, operation)).toMatchObject({ state: 'succeeded' })

    const crawl = await crawlOf(server, 'everything')
    expect(crawl).toMatchObject({
      state: 'idle',
      queued: 0,
      fetching: 0,
      fetched: { 200: fine, 403: 1, 404: 1, 500: 1 },
      failed: { too_large: 1, too_many_redirects: 1, lost: 1, timeout: 2, refused: 1 },
      completedAt: expect.any(String),
    })
    // The way around in circles ended where the crawl had been.
    expect(crawl.dropped).toMatchObject({ duplicate: expect.any(Number) })

    const visits = site.visits.slice(visitsBefore)
    const times = (path: string, host = '127.0.0.2') =>
      visits.filter((visit) => visit.host === host && visit.path === path).length
    for (const path of [
      '/',
      '/list/0',
      '/page/0',
      '/page/299',
      '/slow',
      '/missing',
      '/moved-here',
      '/refreshed',
      '/loop/a',
      '/loop/b',
    ]) {
      expect([path, times(path)]).toEqual([path, 1])
    }
    expect(times('/page-28.html', '127.0.0.3')).toBe(1)
    expect([times('/flaky'), times('/broken'), times('/reset'), times('/never')]).toEqual([3, 4, 4, 4])
    expect([times('/hop/20'), times('/hop/21'), times('/picture.png'), times('/huge')]).toEqual([1, 0, 0, 1])
    expect(site.mostAtOnce('127.0.0.2')).toBeLessThanOrEqual(8)
    expect(visits.every(({ headers }) => headers['user-agent'] === 'Test crawler')).toBe(true)
    // The cookie is the seed's site's alone.
    const cookieFor = (host: string) => (host === '127.0.0.2' ? 'a=1; b=2' : undefined)
    expect(visits.filter(({ host, headers }) => headers.cookie !== cookieFor(host))).toEqual([])
    expect(visits.find(({ path }) => path === '/page/0')?.headers.referer).toBe(`${site.main}/list/0`)
    expect(visits.find(({ path }) => path === '/')?.headers.referer).toBeUndefined()

    const items = await listed(`${server.url}/v1/crawls/${crawl.key}/items`)
    // The last redirect of a circle is an item, too.
    expect(items).toHaveLength(fine + 3 + 1)
    const pages = await listed(`${server.url}/v1/crawls/${crawl.key}/pages`)
    expect(
      pages.filter(({ state }) => state === 'failed').map(({ url, reason }) => [String(url).replace(site.main, ''), reason]),
    ).toEqual(
      expect.arrayContaining([
        ['/huge', 'too_large'],
        ['/reset', 'lost'],
        ['/never', 'timeout'],
        ['/hop/20', 'too_many_redirects'],
        [site.hanging, 'timeout'],
        [site.closed, 'refused'],
      ]),
    )

    expect(await itemOf(server, pages, `${site.main}/list/0`)).toMatchObject({
      appid: 'testapp',
      crawlid: 'everything',
      attrs: { any: ['thing'] },
      status_code: 200,
      status_msg: 'OK',
      request_headers: { 'User-Agent': ['Test crawler'], Cookie: ['***'], Referer: [`${site.main}/`] },
      response_headers: { 'Content-Type': ['text/html; charset=utf-8'] },
      body: expect.stringContaining('<h1>List 0</h1>'),
      encoding: 'utf-8',
      links: expect.arrayContaining([{ url: `${site.main}/page/0`, text: '/page/0' }]),
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/),
    })
    expect(await itemOf(server, pages, `${site.main}/page/0`)).toMatchObject({ links: [] })
    expect(await itemOf(server, pages, `${site.main}/charset/windows-1251`)).toMatchObject({
      body: 'Пр',
      encoding: 'windows-1251',
    })
    expect(await itemOf(server, pages, `${site.main}/charset/lying`)).toMatchObject({ body: 'Z\ufffdZ', encoding: 'utf-8' })
    expect(await itemOf(server, pages, `${site.main}/charset/unknown`)).toMatchObject({ body: 'Zoë' })
    expect(await itemOf(server, pages, `${site.main}/gzip`)).toMatchObject({ body: expect.stringContaining('Squeezed') })
    expect(await itemOf(server, pages, `${site.main}/picture`)).toMatchObject({
      body: 'iVBORwD/',
      encoding: 'iso-8859-1',
      body_base64: true,
    })
    expect(await itemOf(server, pages, `${site.main}/broken`)).toMatchObject({ status_code: 500 })
    expect(await itemOf(server, pages, `${site.main}/moved-here`)).toMatchObject({ response_url: `${site.main}/moved-here` })
  }, 120_000)
})

test('links are kept by the lists of the crawl', async () => {
  const server = await startServer({ env: hasty })
  const { operation } = await feed(server, {
    appid: 'testapp',
    crawlid: 'filtered',
    url: `${site.main}/list/1`,
    maxdepth: 1,
    allow_regex: ['/page/\\d*[0-4]$'],
    deny_regex: ['(?P<no>3[0-2])\\Z'],
    allowed_domains: ['127.0.0.2'],
    domain_max_pages: 6,
  })
  await untilEnded(server.url, operation)
  // Pages 30 to 59 that end in 0 to 4, without 30 to 32, up to six with the seed.
  const pages = await listed(`${server.url}/v1/crawls/${(await crawlOf(server, 'filtered')).key}/pages?state=fetched`)
  const expected = ['/list/1', '/page/33', '/page/34', '/page/40', '/page/41', '/page/42']
  expect(pages.map((page) => String(page.url).replace(site.main, '')).sort()).toEqual(expected)
}, 60_000)

test('a page of 30 MiB is an item when the cap allows it', async () => {
  const server = await startServer({
    env: { ...hasty, CRAWLING_MAX_BYTES: String(40 * 1024 * 1024), CRAWLING_DOWNLOAD_TIMEOUT_MS: '30000' },
  })
  const { operation } = await feed(server, { appid: 'testapp', crawlid: 'huge', url: `${site.main}/huge` })
  expect(await untilEnded(server.url, operation)).toMatchObject({ state: 'succeeded' })
  const [item] = await listed(`${server.url}/v1/crawls/items?crawlid=huge`)
  expect(item).toMatchObject({ bytes: hugeBytes })
  const body = await fetch(`${server.url}/v1/crawls/items/${item?.id}/body`)
  expect((await body.arrayBuffer()).byteLength).toBe(hugeBytes)
}, 60_000)

test('a seed that cannot be fetched fails its operation with the reason', async () => {
  const server = await startServer({ env: { ...hasty, CRAWLING_RETRIES: '1' } })
  const { operation } = await feed(server, { appid: 'testapp', crawlid: 'closed', url: site.closed })
  expect(await untilEnded(server.url, operation)).toMatchObject({ state: 'failed', error: { type: 'refused' } })
  const metadata = await feed(server, { appid: 'testapp', crawlid: 'metadata', url: 'http://169.254.169.254/latest/' })
  expect(await untilEnded(server.url, metadata.operation)).toMatchObject({ state: 'failed', error: { type: 'target-refused' } })
}, 60_000)

test('the throttle spaces the starts of a domain and lets others go', async () => {
  const server = await startServer({ env: { ...hasty, CRAWLING_HITS: '4', CRAWLING_WINDOW_S: '4', CRAWLING_MODERATED: 'true' } })
  const first = await feed(server, {
    appid: 'testapp',
    crawlid: 'throttled',
    url: `${site.main}/list/2`,
    maxdepth: 1,
    domain_max_pages: 9,
  })
  const second = await feed(server, { appid: 'testapp', crawlid: 'other', url: `${site.second}/page-1.html` })
  await untilEnded(server.url, second.operation)
  await untilEnded(server.url, first.operation)
  const events = (await allEvents(server.url)) as unknown as readonly { type: string; data: Json; recordedAt: string }[]
  const starts = events
    .filter(({ type, data }) => type === 'PageFetchStarted' && data.crawlid === 'throttled')
    .map(({ recordedAt }) => Date.parse(recordedAt))
  expect(starts).toHaveLength(9)
  // What is recorded may lag a little behind what was granted.
  const slackMs = 600
  for (const [index, start] of starts.entries()) {
    const before = starts[index - 1]
    const fourBefore = starts[index - 4]
    if (before !== undefined && index < 4) expect(start - before).toBeGreaterThanOrEqual(1000 - slackMs)
    if (fourBefore !== undefined) expect(start - fourBefore).toBeGreaterThanOrEqual(4000 - slackMs)
  }
}, 60_000)

test('info counts what is queued; stop purges it and lets pages in flight finish', async () => {
  const held = await startCrawlSite()
  const server = await startServer({ env: { ...hasty, CRAWLING_CONCURRENCY: '1', CRAWLING_DOWNLOAD_TIMEOUT_MS: '60000' } })
  const operations: string[] = []
  for (let n = 0; n < 5; n++) {
    const { operation } = await feed(server, {
      appid: 'testapp',
      crawlid: 'held',
      url: `${held.main}/held/${n}`,
      priority: 50 - n,
    })
    operations.push(operation)
  }
  await untilState(server.url, operations[0] as string, 'running')
  const info = await feed(server, { uuid: 'i', appid: 'testapp', spiderid: 'link', crawlid: 'held', action: 'info' })
  expect(info.data).toMatchObject({
    uuid: 'i',
    total_pending: 4,
    total_domains: 1,
    domains: { '127.0.0.2.': { total: 4, high_priority: 49, low_priority: 46 } },
  })
  const stop = await feed(server, { uuid: 's', appid: 'testapp', spiderid: 'link', crawlid: 'held', action: 'stop' })
  expect(stop.data).toMatchObject({ action: 'stop', uuid: 's', total_purged: 4 })
  held.release()
  for (const operation of operations) expect(await untilEnded(server.url, operation)).toMatchObject({ state: 'cancelled' })
  expect(await crawlOf(server, 'held')).toMatchObject({
    state: 'stopped',
    queued: 0,
    fetching: 0,
    purged: 4,
    fetched: { 200: 1 },
  })
  await held.close()
}, 60_000)

test('nothing is lost when the process is killed in the middle of a crawl', async () => {
  const dataDir = temporaryDirectory()
  const env = { ...hasty, LEASE_MS: '3000', CRAWLING_HITS: '120', CRAWLING_MODERATED: 'true' }
  const first = await startServer({ dataDir, env })
  const { operation } = await feed(first, { appid: 'testapp', crawlid: 'killed', url: `${site.main}/list/3`, maxdepth: 1 })
  await untilState(first.url, operation, 'running')
  first.kill('SIGKILL')
  await first.ended
  const second = await startServer({ dataDir, env })
  expect(await untilEnded(second.url, operation)).toMatchObject({ state: 'succeeded' })
  expect(await crawlOf(second, 'killed')).toMatchObject({ queued: 0, fetching: 0, fetched: { 200: 1 + pagesPerList } })
}, 60_000)
