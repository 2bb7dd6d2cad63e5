import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../../src/lib/clock.ts'
import type { LinkLists } from '../../../../src/workers/crawling/links/link-filter.ts'
import { createPageReader, type ReadingOrder } from '../../../../src/workers/crawling/pages/page-reading.ts'
import { createReadingPool } from '../../../../src/workers/crawling/pages/reading-pool.ts'

const noLists: LinkLists = { allowRegex: null, denyRegex: null, allowedDomains: null, denyExtensions: null }

const order = (
  html: string,
  { lists = {}, ...options }: { lists?: Partial<LinkLists> } & Partial<Omit<ReadingOrder, 'lists'>> = {},
) => ({
  body: Buffer.from(html),
  contentType: 'text/html',
  disposition: undefined,
  responseUrl: 'http://a.example/',
  follow: 'all' as const,
  lists: JSON.stringify({ ...noLists, ...lists }),
  ...options,
})

const open = (options: { readonly timeLimitMs?: number; readonly most?: number } = {}) => {
  const ending = new AbortController()
  onTestFinished(() => ending.abort())
  const pool = createReadingPool({ timeLimitMs: 30_000, clock: systemClock, signal: ending.signal, ...options })
  const { signal } = new AbortController()
  return (given: ReadingOrder, whose = signal) => pool.read(given, whose)
}

/** The texts of a reading, parsed. */
const textsOf = async (read: ReturnType<ReturnType<typeof open>>) => {
  const { reading } = await read
  return reading.ends.map((end, index) => {
    const text = Buffer.from(reading.texts.subarray(index === 0 ? 0 : reading.ends[index - 1], end)).toString()
    return JSON.parse(text) as unknown[]
  })
}

/** Takes seconds where it is read, not kilobytes. */
const slow = `<a href="/x">${'<b>x</b>'.repeat(3_000_000)}`

test('links come as the list of the item and as lists to queue', async () => {
  const read = open()
  const html = Array.from({ length: 251 }, (_, n) => `<a href=/${n}>${n}</a>`).join('')
  const [listed = [], ...queued] = await textsOf(read(order(html)))
  expect(listed).toHaveLength(251)
  expect(listed[7]).toEqual({ url: 'http://a.example/7', text: '7' })
  expect(queued.map((links) => links.length)).toEqual([250, 1])
  expect(queued[1]).toEqual([['http://a.example/250', 'example.', expect.stringMatching(/^[0-9a-f]{32}$/)]])
})

test('one link is chosen by its fraction, and none where none is asked for', async () => {
  const read = open()
  const html = '<a href=/0>0</a><a href=/1>1</a><a href=/2>2</a>'
  expect(await textsOf(read(order(html, { follow: 0.5 })))).toEqual([[], [['http://a.example/1', 'example.', expect.anything()]]])
  expect((await read(order(html, { follow: 'none' }))).reading).toMatchObject({ found: 3, kept: 0 })
})

test('a page that takes too long fails, and those that wait behind it are read', async () => {
  const read = open({ timeLimitMs: 300, most: 1 })
  // The thread is there before the time of anything counts.
  await read(order('<a href=/x>x</a>'))
  const long = read(order(slow))
  const short = read(order('<a href=/x>x</a>'))
  await expect(long).rejects.toThrow('reading the page took longer than 300 ms (CRAWLING_READ_TIMEOUT_MS)')
  expect((await short).reading.found).toBe(1)
})

test('a page that takes too much memory fails', async () => {
  const read = open()
  const base = `<base href="http://a.example/${'b'.repeat(8_000)}/">`
  const html = base + Array.from({ length: 12_000 }, (_, n) => `<a href=${n}>x</a>`).join('')
  await expect(read(order(html))).rejects.toThrow(/memory|too large to be kept/)
  expect((await read(order('<a href=/x>x</a>'))).reading.found).toBe(1)
})

test('a large body is handed back', async () => {
  const read = open()
  const body = Buffer.alloc(1_000_000, 'a')
  expect(body.buffer.byteLength).toBe(body.length)
  const { body: back } = await read(order('', { body }))
  expect(body.length).toBe(0)
  expect(Buffer.from(back).equals(Buffer.alloc(1_000_000, 'a'))).toBe(true)
})

test('whoever stops waiting gets the reason', async () => {
  const read = open({ most: 1 })
  const waiting = new AbortController()
  const first = read(order(slow), waiting.signal)
  waiting.abort(new Error('enough'))
  await expect(first).rejects.toThrow('enough')
})

test.each([
  ['many', Array.from({ length: 1_001 }, (_, n) => `x${n}`), 'the crawl has 1001 patterns, more than 1000'],
  ['large', [`${'a?'.repeat(1_200)}${'a'.repeat(1_200)}`], 'it becomes a program of 3602 instructions, more than 3000'],
  [
    'large together',
    Array.from({ length: 21 }, (_, n) => `${'x'.repeat(999)}${n}`),
    'the patterns have more than 20000 instructions together',
  ],
])('patterns that are too %s follow nothing, and the page says why', async (_, denyRegex, message) => {
  const html = Array.from({ length: 300 }, (_, n) => `<a href=/${'a'.repeat(1_500)}${n}>x</a>`).join('')
  const { reading } = await open()(order(html, { lists: { denyRegex } }))
  expect(reading).toMatchObject({ found: 300, kept: 0, linkError: expect.stringContaining(message) })
})

test('patterns that are slow with the links of a page follow nothing, and the page says why', () => {
  let now = 0
  const clock = { ...systemClock, monotonic: () => (now += 30) }
  const html = Array.from({ length: 40 }, (_, n) => `<a href=/${n}>x</a>`).join('')
  const read = createPageReader(clock)
  const slowly = order(html, { lists: { denyRegex: ['never'] } })
  const linkError = 'the patterns took longer than 1000 ms with the links of this page'
  expect(read(slowly)).toMatchObject({ found: 40, kept: 0, linkError })
  // The next page has all the time again.
  expect(read({ ...slowly, body: Buffer.from('<a href=/x>x</a>') })).toMatchObject({ found: 1, kept: 1 })
})

test('an address that is too long is shortened, listed nowhere and queued by nobody', async () => {
  const html = `<a href="/${'a'.repeat(1_000_000)}">long</a><a href=/short>short</a>`
  expect(await textsOf(open()(order(html)))).toEqual([
    [{ url: 'http://a.example/short', text: 'short' }],
    [[`http://a.example/${'a'.repeat(2084 - 'http://a.example/'.length)}`, '', '']],
    [['http://a.example/short', 'example.', expect.anything()]],
  ])
})

test('against a base that is far too long, only what needs no path of it is put together', async () => {
  const html = `<base href="/${'a/'.repeat(100_000)}"><a href=x>x</a><a href=y>y</a><a href=/root>r</a><a href=http://b.example/>b</a>`
  const [listed] = await textsOf(open()(order(html)))
  expect(listed).toEqual([
    { url: 'http://a.example/root', text: 'r' },
    { url: 'http://b.example/', text: 'b' },
  ])
})
