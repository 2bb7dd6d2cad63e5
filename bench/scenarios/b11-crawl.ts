import { setTimeout as pause } from 'node:timers/promises'
import type { Crawled } from '../floors/crawl-loop.ts'
import type { Scenario } from '../lib/bench.ts'
import { figure } from '../lib/figure.ts'
import { median } from '../lib/percentiles.ts'
import { memoryOf, startProgram } from '../lib/processes.ts'
import { interleaved } from '../lib/rounds.ts'
import { runTask } from '../lib/task.ts'
import { type Intendant, startIntendant } from '../peers/intendant.ts'

/** The product's defaults. */
const concurrency = 16
const perHost = 8
const lookEveryMs = 50
const maxDepth = 3

/** How fast the crawler is where nothing slows it down, and whether its memory stays what it was. */
export const crawl: Scenario = {
  id: 'B11',
  title: 'a crawl of small pages, throttling off',
  async *run(bench) {
    const hosts = bench.size(20, 5)
    const pages = bench.size(250, 100)
    await using site = await startProgram({
      command: process.execPath,
      args: [new URL('../floors/site-server.ts', import.meta.url).pathname, String(hosts), String(pages)],
      ready: /ready on (\d+)/,
      log: `${bench.scratch('site')}.log`,
    })
    await using server = await startIntendant({
      dataDir: bench.scratch('intendant'),
      env: { CRAWLING_HITS: '1000000', CRAWLING_WINDOW_S: '1', CRAWLING_MODERATED: 'false' },
    })
    const seeds = Array.from({ length: hosts }, (_, host) => `http://127.0.0.${host + 1}:${site.said}/0`)
    const all = hosts * pages
    const used: number[] = []
    let made = 0
    await crawlAll(server, { seeds, name: 'warm-up', all, used: [] })
    const rounds = await interleaved(bench.rounds, {
      intendant: () => crawlAll(server, { seeds, name: `round-${++made}`, all, used }),
      undici: async () => {
        const order = { seeds, concurrency, perHost }
        const { seconds, pages: fetched } = await runTask<Crawled>(new URL('../floors/crawl-loop.ts', import.meta.url), order)
        if (fetched !== all) throw new Error(`the bare loop found ${fetched} of ${all} pages`)
        return fetched / seconds
      },
    })
    yield figure(
      {
        scenario: 'B11',
        metric: `crawl of ${all.toLocaleString('en-US')} pages`,
        value: median(rounds.intendant),
        unit: 'pages/s',
      },
      { floor: median(rounds.undici), floorName: 'bare undici loop', ratio: { atLeast: 0.5 } },
    )
    yield flatness(used)
  },
}

/** The end of the rounds beside their beginning. */
const flatness = (used: readonly number[]) => {
  const third = Math.max(1, Math.floor(used.length / 3))
  return figure(
    { scenario: 'B11', metric: 'memory, last third of the rounds', value: median(used.slice(-third)), unit: 'MiB' },
    { floor: median(used.slice(0, third)), floorName: 'first third', ratio: { atMost: 1.2 } },
  )
}

interface CrawlList {
  readonly items: readonly { readonly state: string; readonly fetched: Readonly<Record<string, number>> }[]
}

/** Feeds one crawl for each host and waits until every page has been fetched; answers pages per second. */
const crawlAll = async (
  server: Intendant,
  {
    seeds,
    name,
    all,
    used,
  }: { readonly seeds: readonly string[]; readonly name: string; readonly all: number; readonly used: number[] },
): Promise<number> => {
  const begun = performance.now()
  for (const [index, url] of seeds.entries()) {
    const response = await fetch(`${server.url}/feed`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ url, appid: name, crawlid: `${name}-${index}`, maxdepth: maxDepth }),
    })
    if (!response.ok) throw new Error(`the feed was answered ${response.status}: ${await response.text()}`)
  }
  for (;;) {
    const list = (await (await fetch(`${server.url}/v1/crawls?appid=${name}&limit=100`)).json()) as CrawlList
    const fetched = list.items.reduce((sum, item) => sum + (item.fetched['200'] ?? 0), 0)
    used.push(memoryOf(server.pids))
    if (fetched === all) return all / ((performance.now() - begun) / 1000)
    if (list.items.length === seeds.length && list.items.every(({ state }) => state === 'idle'))
      throw new Error(`the crawls ended after ${fetched} of ${all} pages`)
    await pause(lookEveryMs)
  }
}
