import type { WireRequest } from './load.ts'

/** Crawls of one domain, whose throttle lets the server queue them and fetch next to nothing. */
export const feeds = (count: number): readonly WireRequest[] =>
  Array.from({ length: count }, (_, index) => ({
    method: 'POST',
    path: '/feed',
    body: JSON.stringify({ url: `http://127.0.0.1:9/${index}`, appid: 'bench', crawlid: `crawl-${index}` }),
  }))
