import { LRUCache } from 'lru-cache'
import type { CrawlingSettings } from '../../../commands/crawling/settings.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Connections } from '../../outbound/connections.ts'
import { crawlHeaders, fetchPage } from './fetch.ts'
import { type RobotsRules, robotsRules } from './robots-rules.ts'

const mostKnown = 1_000
/** Characters, as `RobotsRules.size` counts them: a robots.txt may have half a megabyte. */
const mostKept = 16 * 1024 * 1024
const keptMs = 3_600_000
const mostHops = 5
/** The part of a robots.txt that is read, with room for characters of several bytes. */
const mostBytes = 2 * 1024 * 1024
const everything: RobotsRules = { size: 1, allows: () => true }

interface Known {
  readonly rules: Promise<RobotsRules>
  readonly until: number
  readonly size: number
}

/**
 * Asks the robots.txt of each site, and remembers it for an hour. A site that has none, or does not answer, allows everything. Rejects with
 * the signal's reason where it aborts first.
 */
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
}): ((url: string, useragent: string | undefined, signal: AbortSignal) => Promise<boolean>) => {
  const known = new LRUCache<string, Known>({ max: mostKnown, maxSize: mostKept, sizeCalculation: ({ size }) => size })

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
      if (status >= 200 && status < 300) return await robotsRules(body.toString('utf8'), useragent)
      const next = location === undefined ? null : URL.parse(location, url)
      if (status < 300 || status >= 400 || next === null) return everything
      url = next.href
    }
    return everything
  }

  const begin = (key: string, origin: string, useragent: string): Known => {
    const rules = ask(origin, useragent).catch(() => everything)
    const begun = { rules, until: clock.monotonic() + keptMs, size: 1 }
    known.set(key, begun)
    void rules.then(({ size }) => {
      if (known.peek(key) === begun) known.set(key, { ...begun, size })
    })
    return begun
  }

  return async (url, given, signal) => {
    const address = URL.parse(url)
    if (address === null || !['http:', 'https:'].includes(address.protocol)) return true
    const useragent = given ?? userAgent
    const key = `${address.origin} ${useragent}`
    const earlier = known.get(key)
    const asked = earlier === undefined || earlier.until <= clock.monotonic() ? begin(key, address.origin, useragent) : earlier
    // Other crawls wait for the same answer, so a crawl that ends does not abort the request.
    return (await untilAborted(asked.rules, signal)).allows(address.pathname + address.search)
  }
}

const untilAborted = <Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> =>
  new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
