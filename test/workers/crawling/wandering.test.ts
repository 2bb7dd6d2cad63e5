import { expect, test } from 'vitest'
import { links, openCrawling, openSite } from './harness.ts'

test('the wandering spider follows one link of each page, however deep, and counts its steps', async () => {
  const paths = Array.from({ length: 5 }, (_, n) => `/${n}`)
  /** Every page of a level links to all pages of the next one. */
  const site = await openSite((request, response) => {
    const level = Number(request.url?.split('/')[1] ?? 0)
    response
      .writeHead(200, { 'content-type': 'text/html' })
      .end(level < 6 ? links(...paths.map((path) => `/${level + 1}${path}`)) : '')
  })
  const crawling = await openCrawling()
  const done = await crawling.ended(await crawling.feed({ url: site.url('/0/start'), spiderid: 'wandering', attrs: { a: 1 } }))
  expect(done).toMatchObject({ state: 'succeeded', result: { fetched: 7, dropped: 0 } })
  expect(site.requests.map((path) => path.split('/')[1])).toEqual(['0', '1', '2', '3', '4', '5', '6'])
  const items = await Promise.all(crawling.items.items({ limit: 10 }).items.map(crawling.item))
  expect(items.map(({ attrs, links: listed }) => [attrs, listed])).toEqual(
    [0, 1, 2, 3, 4, 5, 6].map((step) => [{ a: 1, step }, []]),
  )
})

test('it ends where it has been, and attributes that were not fed become an object', async () => {
  const site = await openSite({ '/': links('/loop'), '/loop': links('/') })
  const crawling = await openCrawling()
  const done = await crawling.ended(await crawling.feed({ url: site.url('/'), spiderid: 'wandering' }))
  expect(done).toMatchObject({ state: 'succeeded', result: { fetched: 2, dropped: 1 } })
  const items = await Promise.all(crawling.items.items({ limit: 10 }).items.map(crawling.item))
  expect(items.map(({ attrs }) => attrs)).toEqual([{ step: 0 }, { step: 1 }])
})

test('where several links stand, each is taken sometimes', async () => {
  const site = await openSite({ '/': links('/a', '/b'), '/a': '', '/b': '' })
  const crawling = await openCrawling()
  const seen = new Set<string>()
  // That one of two is never taken in so many walks happens once in 2^39 runs.
  for (let walk = 0; walk < 40 && seen.size < 2; walk++) {
    await crawling.ended(await crawling.feed({ url: site.url('/'), spiderid: 'wandering', crawlid: `walk-${walk}` }))
    seen.add(site.requests.at(-1) ?? '')
  }
  expect([...seen].sort()).toEqual(['/a', '/b'])
})
