import { expect, test } from 'vitest'
import { createThrottle, type Throttle } from '../../../src/commands/crawling/throttle.ts'
import type { Clock } from '../../../src/lib/clock.ts'

const startAt = 1_700_000_000_000

const setUp = (options: { hits?: number; windowMs?: number; moderated?: boolean } = {}) => {
  let now = startAt
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    sleep: () => Promise.reject(new Error('unused')),
    after: () => () => {},
  }
  const throttle = createThrottle({ hits: 10, windowMs: 60_000, moderated: true, ...options, clock })
  return {
    throttle,
    /** Milliseconds from the beginning of the test to the next start. */
    next: (domain = 'example.com') => throttle.nextStart(domain) - startAt,
    pass: (ms: number) => {
      now += ms
    },
    /** Starts as soon as it may, `count` times; the offsets of the starts. */
    run: (count: number, on: Throttle = throttle): number[] =>
      Array.from({ length: count }, () => {
        now = on.nextStart('example.com')
        on.started('example.com')
        return now - startAt
      }),
  }
}

test('a domain that nobody asked yet may be asked now', () => {
  expect(setUp().next()).toBe(0)
})

test('without moderation a window fills at once and then rolls', () => {
  const { run, pass, throttle, next } = setUp({ hits: 3, moderated: false })
  expect(run(1)).toEqual([0])
  pass(10_000)
  throttle.started('example.com')
  throttle.started('example.com')
  expect(next()).toBe(60_000)
  expect(run(3)).toEqual([60_000, 70_000, 70_000])
  expect(next()).toBe(120_000)
})

test('moderated starts keep their distance', () => {
  const { run } = setUp({ hits: 4 })
  expect(run(6)).toEqual([0, 15_000, 30_000, 45_000, 60_000, 75_000])
})

test('the distance is rounded up, and never more than the window allows', () => {
  const { run } = setUp({ hits: 7 })
  const starts = run(30)
  expect(starts[1]).toBe(8572)
  for (const [index, start] of starts.entries()) {
    expect(starts.filter((other) => other <= start && other > start - 60_000).length, `start ${index}`).toBeLessThanOrEqual(7)
  }
})

test('a domain that fell behind catches up once there were as many starts as hits', () => {
  const early = setUp({ hits: 4 })
  early.run(3)
  early.pass(600_000)
  early.throttle.started('example.com')
  early.pass(300_000)
  // The fourth start was the last that had to be counted.
  const from = early.next()
  expect(early.run(4)).toEqual([from, from, from, from])
  expect(early.next()).toBe(from + 60_000)
})

test('one hit per window is a window, not a distance', () => {
  const { run } = setUp({ hits: 1 })
  expect(run(3)).toEqual([0, 60_000, 120_000])
})

test('a rule counts at once, for its domain only, and is taken back', () => {
  const { throttle, next, run } = setUp({ hits: 10 })
  run(1)
  throttle.setRule('EXAMPLE.com.', { hits: 2.9, windowMs: 100_000 })
  expect(throttle.ruleOf('example.com')).toEqual({ hits: 2, windowMs: 100_000 })
  expect(next()).toBe(50_000)
  expect(next('other.com')).toBe(0)
  throttle.removeRule('example.com')
  expect(next()).toBe(6_000)
})

test('a window that is made smaller holds until the surplus has left it', () => {
  const { throttle, next } = setUp({ hits: 10, moderated: false })
  for (let start = 0; start < 5; start++) throttle.started('example.com')
  throttle.setRule('example.com', { hits: 2, windowMs: 30_000 })
  expect(next()).toBe(30_000)
})

test('no hits hold the domain', () => {
  const { throttle, next } = setUp()
  throttle.setRule('example.com', { hits: 0, windowMs: 60_000 })
  expect(next()).toBe(Number.POSITIVE_INFINITY)
  throttle.setRule('example.com', { hits: 0.5, windowMs: 60_000 })
  expect(next()).toBe(Number.POSITIVE_INFINITY)
  throttle.removeRule('example.com')
  expect(next()).toBe(0)
})

test('a restart goes on with the window that was open', () => {
  const { throttle, next } = setUp({ hits: 3 })
  throttle.restore('localhost.', [startAt - 10_000, startAt - 70_000, startAt - 30_000])
  expect(next('LOCALHOST')).toBe(0)
  throttle.started('localhost.')
  expect(next('localhost')).toBe(30_000)
  throttle.restore('127.0.0.1.', [startAt - 1000])
  expect(next('127.0.0.1.')).toBe(19_000)
})

test('starts of others count, and those that came to nothing do not', () => {
  const { throttle, next, pass } = setUp({ hits: 2, moderated: false })
  throttle.startedElsewhere('example.com', startAt)
  const own = throttle.started('example.com')
  expect(next()).toBe(60_000 + 100)
  throttle.takeBack('example.com', own)
  expect(next()).toBe(0)
  pass(1_000)
  throttle.started('example.com')
  expect(next()).toBe(60_000 + 100)
  throttle.takeBack('example.com', startAt)
  expect(next()).toBe(1_000)
})

test('who started last gives way to others, if there are any', () => {
  const { throttle, next, pass } = setUp({ hits: 2, windowMs: 600 })
  throttle.started('example.com')
  expect(next()).toBe(300)
  pass(10)
  // Another one came too late, and says so.
  throttle.startedElsewhere('example.com', startAt + 10)
  throttle.takeBack('example.com', startAt + 10)
  expect(next()).toBe(300 + 75)
  pass(300)
  throttle.startedElsewhere('example.com', startAt + 310)
  // Two have started: only the window counts from now on, and nobody gives way after the start of another one.
  expect(next()).toBe(600)
})

test('a domain is held for as long as it is told', () => {
  const { throttle, next, pass } = setUp()
  throttle.hold('example.com', startAt + 500)
  expect(next()).toBe(500)
  expect(next('other.com')).toBe(0)
  pass(500)
  expect(next()).toBe(500)
})

test('quiet domains are forgotten', () => {
  const { throttle, next, pass } = setUp({ hits: 2, moderated: false })
  throttle.started('first.com')
  pass(121_000)
  for (let n = 0; n < 10_001; n++) throttle.started(`n${n}.com`)
  expect(next('first.com')).toBe(121_000)
  throttle.started('n1.com')
  expect(next('n1.com')).toBe(181_000)
})
