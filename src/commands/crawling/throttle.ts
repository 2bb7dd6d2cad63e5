import { comparableDomain } from '../../events/crawling/domain-key.ts'
import type { Clock } from '../../lib/clock.ts'

/** How many fetches may start within how long. Effective `hits` below 1 hold the domain. */
export interface ThrottleRule {
  readonly hits: number
  readonly windowMs: number
}

/**
 * Decides when the next page of a domain may be fetched. Domains are compared without case and trailing dot. All instants are those of the
 * monotonic clock: a clock that is set opens no window and closes none.
 */
export interface Throttle {
  /** The earliest instant (never before now) of the next start; Infinity while the domain is held. */
  nextStart(domain: string): number
  /** Notes that a fetch starts now; answers the instant, by which it can be taken back. */
  started(domain: string): number
  /** A start that was noted came to nothing. */
  takeBack(domain: string, at: number): void
  /** Notes a start that another process made. From now on, this one gives way for a moment after each start of its own. */
  startedElsewhere(domain: string, at: number): void
  /** No start before `until`, whatever is known of others. */
  hold(domain: string, until: number): void
  /** Replaces the default rule for one domain, at once. */
  setRule(domain: string, rule: ThrottleRule): void
  removeRule(domain: string): void
  ruleOf(domain: string): ThrottleRule
  /** Whether the last start of the domain had to keep its distance from the one before. */
  isSpaced(domain: string): boolean
  /** Starts (in any order) that were made before this process began, so that a restart does not open a new window. */
  restore(domain: string, times: readonly number[]): void
}

/** Starts of one domain: those that a window may still hold, oldest first, and how many there were towards catching up. */
interface Starts {
  times: number[]
  last: number
  counted: number
  /** The last one that another process made. */
  elsewhere: number
  /** The last one of this process, where it came to something. */
  own: number
  heldUntil: number
}

/** How long the one that started last lets others go first, who may wait for the same window; less where windows are short. */
const giveWayMs = 100

/** From this many domains on, quiet ones are forgotten now and then. */
const sweepFrom = 10_000

/**
 * The throttle of one type of spider: at most `hits` starts in a rolling window. When `moderated`, starts also keep a distance
 * of window / hits (not with a single hit), until `hits` starts have happened; from then on only the window counts, so that a
 * domain that fell behind catches up.
 */
export const createThrottle = (
  options: ThrottleRule & { readonly moderated: boolean; readonly clock: Pick<Clock, 'monotonic'> },
): Throttle => {
  const { clock, moderated } = options
  const standard: ThrottleRule = { hits: Math.floor(options.hits), windowMs: options.windowMs }
  const rules = new Map<string, ThrottleRule>()
  const domains = new Map<string, Starts>()
  let sweepAt = sweepFrom

  const ruleOf = (key: string): ThrottleRule => rules.get(key) ?? standard

  const startsOf = (key: string): Starts => {
    const known = domains.get(key)
    if (known) return known
    if (domains.size >= sweepAt) sweep()
    const never = Number.NEGATIVE_INFINITY
    const starts: Starts = { times: [], last: never, counted: 0, elsewhere: never, own: never, heldUntil: never }
    domains.set(key, starts)
    return starts
  }

  const sweep = (): void => {
    const now = clock.monotonic()
    for (const [key, { last }] of domains) if (last + 2 * ruleOf(key).windowMs < now) domains.delete(key)
    sweepAt = Math.max(sweepFrom, domains.size * 2)
  }

  const forgetOld = (starts: Starts, rule: ThrottleRule, now: number): void => {
    let old = 0
    while (old < starts.times.length && (starts.times[old] as number) <= now - rule.windowMs) old++
    if (old > 0) starts.times.splice(0, old)
  }

  const enter = (starts: Starts, times: readonly number[]): void => {
    starts.times = [...starts.times, ...times].sort((one, other) => one - other)
    starts.last = Math.max(starts.last, starts.times.at(-1) ?? Number.NEGATIVE_INFINITY)
    starts.counted += times.length
  }

  return {
    ruleOf: (domain) => ruleOf(comparableDomain(domain)),
    setRule(domain, { hits, windowMs }) {
      rules.set(comparableDomain(domain), { hits: Math.floor(hits), windowMs })
    },
    removeRule(domain) {
      rules.delete(comparableDomain(domain))
    },
    nextStart(domain) {
      const key = comparableDomain(domain)
      const rule = ruleOf(key)
      if (rule.hits < 1) return Number.POSITIVE_INFINITY
      const now = clock.monotonic()
      const starts = domains.get(key)
      if (!starts) return now
      forgetOld(starts, rule, now)
      // With `hits` starts in the window, the oldest of the last `hits` has to leave it first.
      const freed = starts.times[starts.times.length - rule.hits]
      const byWindow = freed === undefined ? 0 : freed + rule.windowMs
      const catchingUp = starts.counted >= rule.hits
      const spaced = moderated && rule.hits !== 1 && !catchingUp
      const granted = Math.max(byWindow, spaced ? starts.last + rule.windowMs / rule.hits : 0)
      const isContested = starts.last === starts.own && starts.elsewhere > now - 2 * rule.windowMs
      const giveWay = isContested ? Math.min(giveWayMs, rule.windowMs / rule.hits / 4) : 0
      return Math.max(now, Math.ceil(Math.max(granted + giveWay, starts.heldUntil)))
    },
    started(domain) {
      const starts = startsOf(comparableDomain(domain))
      starts.last = clock.monotonic()
      starts.times.push(starts.last)
      starts.counted++
      starts.own = starts.last
      return starts.last
    },
    takeBack(domain, at) {
      const starts = startsOf(comparableDomain(domain))
      const index = starts.times.lastIndexOf(at)
      if (index < 0) return
      starts.times.splice(index, 1)
      starts.last = starts.times.at(-1) ?? Number.NEGATIVE_INFINITY
      starts.counted--
      if (at === starts.own) starts.own = Number.NEGATIVE_INFINITY
    },
    startedElsewhere(domain, at) {
      const starts = startsOf(comparableDomain(domain))
      enter(starts, [at])
      starts.elsewhere = Math.max(starts.elsewhere, at)
    },
    hold(domain, until) {
      startsOf(comparableDomain(domain)).heldUntil = until
    },
    restore(domain, times) {
      enter(startsOf(comparableDomain(domain)), times)
    },
    isSpaced(domain) {
      const key = comparableDomain(domain)
      const { hits } = ruleOf(key)
      return moderated && hits > 1 && (domains.get(key)?.counted ?? 0) <= hits
    },
  }
}
