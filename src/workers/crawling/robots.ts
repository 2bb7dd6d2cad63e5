import { LRUCache } from 'lru-cache'
import type { CrawlingSettings } from '../../commands/crawling/settings.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Connections } from './connections.ts'
import { crawlHeaders, fetchPage } from './fetch.ts'
import { type RobotsRules, robotsRules } from './robots-rules.ts'

const mostKnown = 1_000
const keptMs = 3_600_000
const mostHops = 5
/** The part of a robots.txt that is read, with room for characters of several bytes. */
const mostBytes = 2 * 1024 * 1024
const everything: RobotsRules = { allows: () => true }

/** Asks the robots.txt of each site, and remembers it for an hour. A site that has none, or does not answer, allows everything. */
export const createRobots = ({
  settings,
  connections,
  userAgent,
  clock,
}: {
  readonly settings: Pick<CrawlingSettings, 'downloadTimeoutMs' | 'maxBytes'>
  readonly connections: Connections
  /** What crawls that name none send. */
  readonly userAgent: string
  readonly clock: Clock
}): ((url: string, useragent: string | undefined) => Promise<boolean>) => {
  const known = new LRUCache<string, { readonly rules: Promise<RobotsRules>; readonly until: number }>({ max: mostKnown })

  const ask = async (origin: string, useragent: string): Promise<RobotsRules> => {
    let url = `${origin}/robots.txt`
    for (let hops = 0; hops <= mostHops; hops++) {
      const { status, location, body } = await fetchPage({
        url,
        headers: crawlHeaders({ useragent }),
        timeoutMs: settings.downloadTimeoutMs,
        maxBytes: Math.min(settings.maxBytes, mostBytes),
        connections,
        clock,
      })
      if (status >= 200 && status < 300) return robotsRules(body.toString('utf8'), useragent)
      const next = location === undefined ? null : URL.parse(location, url)
      if (status < 300 || status >= 400 || next === null) return everything
      url = next.href
    }
    return everything
  }

  return async (url, given) => {
    const address = URL.parse(url)
    if (address === null || !['http:', 'https:'].includes(address.protocol)) return true
    const useragent = given ?? userAgent
    const key = `${address.origin} ${useragent}`
    let asked = known.get(key)
    if (asked === undefined || asked.until <= clock.monotonic()) {
      asked = { rules: ask(address.origin, useragent).catch(() => everything), until: clock.monotonic() + keptMs }
      known.set(key, asked)
    }
    return (await asked.rules).allows(address.pathname + address.search)
  }
}
