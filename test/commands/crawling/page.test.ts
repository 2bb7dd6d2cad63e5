import { expect, test } from 'vitest'
import { page } from '../../../src/commands/crawling/page.ts'
import type { PageEvent, QueuedPage } from '../../../src/events/crawling/page.ts'
import { given } from '../../given.ts'

const owner = { operation: 'o', spiderid: 'link', appid: 'test', crawlid: 'one' }
const by = (attempt: number) => ({ ...owner, attempt, host: 'h' })
const memory = { forgot: true, forgotCounts: true }
const fetch = (attempt: number) => ({
  ...by(attempt),
  url: 'http://a/',
  fingerprint: 'f',
  domain: 'a.',
  depth: 0,
  priority: 1,
  worker: 'w',
})
const started = (attempt: number): PageEvent => ({ type: 'PageFetchStarted', data: fetch(attempt) })
const failed = (attempt: number) =>
  ({ type: 'PageFetchFailed', data: { ...by(attempt), url: 'http://a/', reason: 'dns', message: 'no' } }) as const
const retried = (attempt: number): PageEvent => ({
  type: 'PageRetryScheduled',
  data: { ...by(attempt), domain: 'a.', priority: -9, statusCode: 503 },
})
const queued = (n: number, length = 10): QueuedPage => ({
  id: `p${n}`,
  url: `http://a/${'x'.repeat(length)}${n}`,
  fingerprint: String(n),
  domain: 'a.',
  depth: 1,
  priority: -9,
  referer: null,
})

test('a fetch starts with the next number', () =>
  given(page)
    .when({ type: 'StartFetch', page: 'p', fetch: fetch(1) })
    .then([started(1)]))

test('a fetch that was lost is followed by the next one', () =>
  given(page, [started(1)])
    .when({ type: 'StartFetch', page: 'p', fetch: fetch(2) })
    .then([started(2)]))

test('a number is given once', () =>
  given(page, [started(2)])
    .when({ type: 'StartFetch', page: 'p', fetch: fetch(2) })
    .then({ refused: { reason: 'attempt-superseded', attempt: 2 } }))

test('the outcome of a fetch that was overtaken is refused', () =>
  given(page, [started(1), started(2)])
    .when({ type: 'EndFetch', page: 'p', outcome: failed(1), found: [], memory })
    .then({ refused: { reason: 'attempt-superseded', attempt: 2 } }))

test('an outcome counts once', () =>
  given(page, [started(1), retried(1)])
    .when({ type: 'EndFetch', page: 'p', outcome: failed(1), found: [], memory })
    .then({ refused: { reason: 'not-fetching' } }))

test('an ended page stays ended', () => {
  const ended = given(page, [started(1), failed(1)])
  ended.when({ type: 'StartFetch', page: 'p', fetch: fetch(2) }).then({ refused: { reason: 'page-ended' } })
  ended.when({ type: 'EndFetch', page: 'p', outcome: failed(1), found: [], memory }).then({ refused: { reason: 'page-ended' } })
})

test('a start that came too early is put off once, and the next one has the next number', () => {
  const putOff = (attempt: number) => ({ type: 'PageFetchPutOff', data: { ...by(attempt), domain: 'a.' } }) as const
  const asked = (attempt: number) => ({ type: 'PutOffFetch', page: 'p', fetch: putOff(attempt).data }) as const
  given(page, [started(1)])
    .when(asked(1))
    .then([putOff(1)])
  given(page, [started(1), putOff(1)])
    .when(asked(1))
    .then([])
  given(page, [started(1), started(2)])
    .when(asked(1))
    .then({ refused: { reason: 'attempt-superseded', attempt: 2 } })
  given(page, [started(1), putOff(1)])
    .when({ type: 'StartFetch', page: 'p', fetch: fetch(2) })
    .then([started(2)])
  given(page, [started(1), putOff(1)])
    .when({ type: 'EndFetch', page: 'p', outcome: failed(1), found: [], memory })
    .then({ refused: { reason: 'not-fetching' } })
})

test('what was found is queued before the outcome, in events of bounded size, the first of which starts the memory anew', () => {
  const queuedIn = (found: readonly QueuedPage[]): PageEvent[] => {
    const state = given(page, [started(1)]).state()
    const decision = page.decide({ type: 'EndFetch', page: 'p', outcome: failed(1), found, memory }, state)
    return 'events' in decision ? [...decision.events] : []
  }
  const many = queuedIn(Array.from({ length: 1201 }, (_, n) => queued(n)))
  expect(many.map(({ type, data }) => [type, 'pages' in data ? data.pages.length : 0])).toEqual([
    ['PagesQueued', 500],
    ['PagesQueued', 500],
    ['PagesQueued', 201],
    ['PageFetchFailed', 0],
  ])
  expect(many.map(({ data }) => 'forgot' in data && data.forgot)).toEqual([true, false, false, false])
  const long = queuedIn(Array.from({ length: 500 }, (_, n) => queued(n, 2000)))
  expect(Math.max(...long.map((event) => JSON.stringify(event).length))).toBeLessThan(300_000)
})

test('links that are queued before the outcome keep the fetch under way, and no other may queue them', () => {
  const asked = (attempt: number) =>
    ({ type: 'QueueLinks', page: 'p', fetch: { ...owner, attempt }, found: [queued(1)], memory }) as const
  const recorded: PageEvent = { type: 'PagesQueued', data: { ...owner, ...memory, attempt: 2, pages: [queued(1)] } }
  given(page, [started(2)])
    .when(asked(2))
    .then([recorded])
  given(page, [started(2)])
    .when(asked(1))
    .then({ refused: { reason: 'attempt-superseded', attempt: 2 } })
  // The last event of a page alone is known after a restart.
  given(page, [recorded])
    .when({ type: 'EndFetch', page: 'p', outcome: failed(2), found: [], memory })
    .then([failed(2)])
})
