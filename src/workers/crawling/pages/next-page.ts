import TinyQueue from 'tinyqueue'
import type { CrawlingSettings } from '../../../commands/crawling/settings.ts'
import { createThrottle, type Throttle } from '../../../commands/crawling/throttle.ts'
import { comparableDomain } from '../../../events/crawling/domain-key.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { NextPage, QueueName, QueueQueries, ThrottleRule } from '../../../projections/crawling/queue-queries.ts'
import { tooEarlyMs } from './start-order.ts'

/** A queue of the spider: all pages of one spider and domain. Only its name and its turn are kept here. */
interface Queue extends QueueName {
  /** Entries of the heap that carry another number are void. */
  turn: number
  /** Whether a valid entry stands in the heap. */
  isWaiting: boolean
}
interface Entry {
  readonly at: number
  readonly order: number
  readonly key: string
  readonly turn: number
}

/** A page that may start now. */
export interface PickedPage {
  readonly page: NextPage
  /** To be called when the page is done with: its host has room again. */
  release(): void
  /** Nothing was fetched after all: the start does not count. The queue waits for `ms` more. */
  takeBack(ms?: number): void
  /** How much too early the start comes in the order of the log, where others start too; 0 where it is in time. */
  tooEarlyMs(attempt: number): number
}

export interface PageQueuesOptions {
  readonly queries: QueueQueries
  readonly settings: CrawlingSettings
  readonly clock: Clock
  /** The spiders that run here; the queues of others stay as they are. */
  readonly spiders: readonly string[]
  /** Whose pages of a domain may be taken: names of workers, '' for the pages that nobody holds. */
  readonly holders: (domain: string) => readonly string[]
}

export type PageQueues = ReturnType<typeof createPageQueues>

/**
 * Whose turn it is: queues by the instant at which their throttle grants the next start. Pages stay in the view; what is
 * kept here is a name per queue that has some.
 */
export const createPageQueues = ({ queries, settings, clock, spiders, holders: holdersOf }: PageQueuesOptions) => {
  const queues = new Map<string, Queue>()
  const heap = new TinyQueue<Entry>([], (one, other) => one.at - other.at || one.order - other.order)
  const throttles = new Map<string, Throttle>()
  const hosts = new Map<string, number>()
  /** Queues whose next page waits for room at its host. */
  const crowded = new Map<string, Set<string>>()
  const restored = new Set<string>()
  /** Starts of other processes that are under way, by page: they may come to nothing. */
  const elsewhere = new Map<string, number>()
  const begunAt = clock.now()
  const begun = clock.monotonic()
  let order = 0

  const windowMsOf = (rule: ThrottleRule): number => rule.window * 1000
  const standard = { hits: settings.hits, windowMs: settings.windowS * 1000, moderated: settings.moderated, clock }
  for (const spider of spiders) throttles.set(spider, createThrottle(standard))

  const keyOf = ({ spiderid, domain }: QueueName): string => JSON.stringify([spiderid, domain])

  const applyRule = (rule: ThrottleRule): void => {
    const hits = Math.floor(rule.hits * rule.scale)
    for (const throttle of throttles.values()) throttle.setRule(rule.domain, { hits, windowMs: windowMsOf(rule) })
  }

  for (const rule of queries.throttleRules()) applyRule(rule)

  /** Starts that were made before count too: a restart opens no new window. */
  const throttleOf = ({ spiderid, domain }: QueueName, key: string): Throttle | undefined => {
    const throttle = throttles.get(spiderid)
    if (throttle === undefined || restored.has(key)) return throttle
    const { windowMs } = throttle.ruleOf(domain)
    if (clock.monotonic() - begun > windowMs) return throttle
    restored.add(key)
    const before = queries.startsSince(spiderid, domain, begunAt - windowMs).filter((at) => at < begunAt)
    if (before.length > 0) throttle.restore(domain, before.map(passed))
    return throttle
  }

  /** A moment of the log as the monotonic clock would have told it; one that is still to come by a clock that was set back is now. */
  const passed = (at: number): number => clock.monotonic() - Math.max(clock.now() - at, 0)

  const enter = (queue: Queue, key: string, at: number): void => {
    queue.turn++
    queue.isWaiting = at !== Number.POSITIVE_INFINITY
    if (queue.isWaiting) heap.push({ at, order: order++, key, turn: queue.turn })
  }

  const activate = (name: QueueName): void => {
    const key = keyOf(name)
    const throttle = throttleOf(name, key)
    if (throttle === undefined) return
    let queue = queues.get(key)
    if (queue === undefined) {
      queue = { spiderid: name.spiderid, domain: name.domain, turn: 0, isWaiting: false }
      queues.set(key, queue)
    }
    if (!queue.isWaiting) enter(queue, key, throttle.nextStart(name.domain))
  }

  /** Looks at one queue whose turn has come; undefined where it has nothing to start now. */
  const pickFrom = (
    queue: Queue,
    key: string,
    without: ReadonlySet<string>,
    blocked: ReadonlySet<string>,
  ): PickedPage | undefined => {
    const { domain } = queue
    const throttle = throttleOf(queue, key)
    queue.isWaiting = false
    const at = throttle?.nextStart(domain) ?? Number.POSITIVE_INFINITY
    if (at > clock.monotonic()) {
      enter(queue, key, at)
      return undefined
    }
    if (queries.isBlacklisted(comparableDomain(domain))) return undefined
    const holders = holdersOf(domain)
    const now = clock.now()
    const page = queries.next(queue, { now, holders, without, blocked })
    if (page === undefined) {
      const due = queries.nextDue(queue, { now, holders })
      if (due === undefined) queues.delete(key)
      else enter(queue, key, clock.monotonic() + due - now)
      return undefined
    }
    const host = hostOf(page.url)
    const busy = hosts.get(host) ?? 0
    if (busy >= settings.perHost) {
      const waiting = crowded.get(host) ?? new Set<string>()
      crowded.set(host, waiting.add(key))
      return undefined
    }
    hosts.set(host, busy + 1)
    const startedAt = throttle?.started(domain) ?? 0
    enter(queue, key, throttle?.nextStart(domain) ?? 0)
    return {
      page,
      release: () => leave(host),
      takeBack: (ms = 0) => {
        throttle?.takeBack(domain, startedAt)
        if (ms > 0) throttle?.hold(domain, clock.monotonic() + ms)
        askAnew(queue)
      },
      tooEarlyMs: (attempt) => {
        const rule = throttle?.ruleOf(domain)
        if (rule === undefined) return 0
        return tooEarlyMs({ queries, queue, page: page.id, attempt, rule, isSpaced: throttle?.isSpaced(domain) ?? false })
      },
    }
  }

  /** What a queue waits for has changed. */
  const askAnew = (name: QueueName): void => {
    const queue = queues.get(keyOf(name))
    if (queue !== undefined) queue.isWaiting = false
    activate(name)
  }

  const leave = (host: string): void => {
    const left = (hosts.get(host) ?? 1) - 1
    if (left > 0) hosts.set(host, left)
    else hosts.delete(host)
    const waiting = crowded.get(host)
    if (waiting === undefined) return
    crowded.delete(host)
    for (const key of waiting) {
      const queue = queues.get(key)
      if (queue !== undefined) activate(queue)
    }
  }

  return {
    activate,
    /** Takes up every queue that has something in it. */
    load: (): void => {
      for (const spider of spiders) for (const name of queries.queues(spider)) activate(name)
    },
    setRule: applyRule,
    removeRule: (domain: string): void => {
      for (const throttle of throttles.values()) throttle.removeRule(domain)
    },
    /** The rules of a domain changed: its queues ask anew when they may start. */
    reconsider: (domain: string): void => {
      const changed = comparableDomain(domain)
      for (const spider of spiders) for (const name of queries.queuesNear(spider, changed)) askAnew(name)
    },
    /** Another process starts to fetch a page; `at` is when the log heard of it. It counts like one of ours. */
    startedElsewhere: (queue: QueueName, page: string, at: number): void => {
      const throttle = throttleOf(queue, keyOf(queue))
      if (throttle === undefined) return
      const started = passed(at)
      elsewhere.set(page, started)
      throttle.startedElsewhere(queue.domain, started)
    },
    /** The fetch of a page ended; where it was another's and came to nothing, its start does not count. */
    ended: (queue: QueueName, page: string, { isPutOff }: { readonly isPutOff: boolean }): void => {
      const at = elsewhere.get(page)
      if (at === undefined) return
      elsewhere.delete(page)
      if (!isPutOff) return
      throttles.get(queue.spiderid)?.takeBack(queue.domain, at)
      askAnew(queue)
    },
    /** The next page to start; `later` is when to ask again, by the monotonic clock, if there is a time for it. */
    pick: (without: ReadonlySet<string>, blocked: ReadonlySet<string>): PickedPage | { readonly later: number | undefined } => {
      for (let entry = heap.peek(); entry !== undefined; entry = heap.peek()) {
        const queue = queues.get(entry.key)
        const isValid = queue?.isWaiting && queue.turn === entry.turn
        if (isValid && entry.at > clock.monotonic()) return { later: entry.at }
        heap.pop()
        const picked = isValid ? pickFrom(queue, entry.key, without, blocked) : undefined
        if (picked !== undefined) return picked
      }
      return { later: undefined }
    },
  }
}

const hostOf = (url: string): string => URL.parse(url)?.hostname ?? ''
