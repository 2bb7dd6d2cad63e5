import { beforeAll, describe, expect, test } from 'vitest'
import { newId } from '../../src/lib/ids.ts'
import type { NewEvent } from '../../src/stores/event-log.ts'
import { isProblem, problem, useApp } from './app.ts'
import { follow } from './follow.ts'

const server = useApp()
const live = ({ event }: { event: string }) => event === 'live'
const note = (type: string, data: Record<string, string | number> = {}, more: Partial<NewEvent['metadata']> = {}): NewEvent => ({
  id: newId(),
  type,
  data,
  metadata: { correlationId: newId(), actor: { principal: 'tester', face: null, address: null }, schema: 1, ...more },
})
const append = (stream: string, ...events: readonly NewEvent[]) => server.it.app.ports.log.append(stream, 'any', events)
const get = (query: string, headers = {}) => server.it.ask(`GET /v1/events${query}`, { headers })
const types = (items: readonly { type: string }[]) => items.map(({ type }) => type)

beforeAll(async () => {
  await append('note-a', note('Written', { n: 1 }), note('Read', { n: 2 }), note('Written', { n: 3 }))
  await append(
    'note-b',
    note('Written', { n: 4 }, { correlationId: 'thread' }),
    note('Erased', { n: 5 }, { actor: { principal: 'other', face: null, address: null } }),
  )
  await append('key-secret', note('KeyWrapped', { n: 6 }))
  await append('lease-system', note('Housekept', { n: 7 }))
  await append('plain', note('Written', { n: 8 }))
})

describe('JSON', () => {
  test('pages through the log and knows its end', async () => {
    const numbers: number[] = []
    let after = ''
    for (;;) {
      const { json, headers } = await get(`?limit=2${after}`)
      expect(headers.get('content-type')).toBe('application/json')
      numbers.push(...json.items.map(({ data }: { data: { n: number } }) => data.n))
      if (json.next === null) break
      expect(json.next).toBe(json.items.at(-1).position)
      after = `&after=${json.next}`
    }
    expect(numbers).toEqual([1, 2, 3, 4, 5, 8])
  })

  test('shows an event whole', async () => {
    const { json } = await get('?limit=1')
    expect(json.items[0]).toEqual({
      position: expect.any(String),
      stream: 'note-a',
      revision: 0,
      id: expect.any(String),
      type: 'Written',
      data: { n: 1 },
      metadata: { correlationId: expect.any(String), actor: { principal: 'tester', face: null, address: null }, schema: 1 },
      recordedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    })
  })

  test('next is null where nothing more matches before head', async () => {
    const { json } = await get('?limit=1&type=Erased')
    expect([types(json.items), json.next]).toEqual([['Erased'], null])
    expect(json.head > json.items[0].position).toBe(true)
    expect((await get(`?after=${json.head}`)).json).toEqual({ items: [], next: null, head: json.head })
  })

  test('descends', async () => {
    const first = (await get('?order=desc&limit=2')).json
    const second = (await get(`?order=desc&limit=10&after=${first.next}`)).json
    expect([...first.items, ...second.items].map(({ data }) => data.n)).toEqual([8, 5, 4, 3, 2, 1])
    expect(second.next).toBeNull()
  })

  test.each([
    ['type=Read&type=Erased', [2, 5]],
    ['category=note', [1, 2, 3, 4, 5]],
    ['category=plain', [8]],
    ['category=not', []],
    ['category=key', []],
    ['stream=note-b', [4, 5]],
    ['stream=note-b&order=desc', [5, 4]],
    ['stream=note-b&stream=plain', [4, 5, 8]],
    ['stream=key-secret', []],
    ['stream=%24system', []],
    ['stream=lease-system', []],
    ['stream=note', []],
    ['correlation=thread', [4]],
    ['principal=other', [5]],
    ['principal=other&principal=tester&type=Written&category=note', [1, 3, 4]],
    ['to=2000-01-01T00:00:00Z', []],
    ['from=2000-01-01T00:00:00%2B02:00&category=plain', [8]],
    ['from=2999-01-01T00:00:00Z', []],
  ])('%s', async (filter, numbers) => {
    const { json } = await get(`?${filter}`)
    expect(json.items.map(({ data }: { data: { n: number } }) => data.n)).toEqual(numbers)
    const lines = filter.includes('order') ? undefined : await get(`?${filter}`, { Accept: 'application/x-ndjson' })
    if (lines !== undefined)
      expect(
        lines.text
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line).data.n),
      ).toEqual(numbers)
  })

  test('from and to are half-open', async () => {
    const { json } = await get('?stream=note-a&limit=1')
    const at = json.items[0].recordedAt
    expect((await get(`?stream=note-a&to=${at}`)).json.items).toEqual([])
    expect((await get(`?stream=note-a&from=${at}`)).json.items.length).toBe(3)
  })
})

describe('Accept', () => {
  test.each(['image/png', 'text/html', 'application/json;q=0', 'text/event-stream;q=0, text/*;q=0'])(
    '%s is not offered',
    async (accept) => {
      expect(problem(await get('', { Accept: accept }))).toEqual(isProblem('not-acceptable', 406))
    },
  )

  test.each([
    ['*/*', 'application/json'],
    ['application/*', 'application/json'],
    ['text/html, application/x-ndjson;q=0.5, */*;q=0.1', 'application/x-ndjson'],
    ['application/json;q=0.2, application/x-ndjson', 'application/x-ndjson'],
  ])('%s gets %s', async (accept, type) => {
    expect((await get('', { Accept: accept })).headers.get('content-type')).toBe(type)
  })

  test('limit and order are for JSON alone', async () => {
    for (const query of ['?limit=1', '?order=desc'])
      expect(problem(await get(query, { Accept: 'application/x-ndjson' }))).toEqual(isProblem('invalid', 400))
  })
})

describe('an event stream', () => {
  test('gives the backlog, says that it is live, and goes on', async () => {
    const stream = await follow(`${server.it.url}/v1/events?after=0`)
    expect(stream.response.headers).toMatchObject({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
    expect(stream.response.headers.traceparent).toMatch(/^00-/)
    const backlog = await stream.until(live)
    const last = backlog.at(-1)
    expect(
      backlog
        .filter(({ data }) => data.stream !== undefined)
        .slice(0, 6)
        .map(({ data }) => data.n ?? data.data.n),
    ).toEqual([1, 2, 3, 4, 5, 8])
    expect(last).toEqual({ id: undefined, event: 'live', data: { position: expect.any(String) } })
    await append('note-live', note('Written', { n: 9 }), note('Read', { n: 10 }))
    const news = await stream.take(2)
    expect(news.map(({ event, data }) => [event, data.data.n])).toEqual([
      ['Written', 9],
      ['Read', 10],
    ])
    expect(news.every(({ id, data }) => id === data.position)).toBe(true)
    stream.close()
  })

  test('begins at the head where nothing else is asked', async () => {
    const stream = await follow(`${server.it.url}/v1/events`)
    expect(await stream.take(1)).toEqual([{ id: undefined, event: 'live', data: { position: expect.any(String) } }])
    await append('note-head', note('Written', { n: 11 }))
    expect((await stream.take(1))[0]?.data.data).toEqual({ n: 11 })
    stream.close()
  })

  test('goes on where Last-Event-ID says, whatever after says', async () => {
    const { json } = await get('?category=note&limit=3')
    const stream = await follow(`${server.it.url}/v1/events?after=0&stream=note-b`, { 'Last-Event-ID': json.next })
    expect((await stream.until(live)).map(({ event }) => event)).toEqual(['Written', 'Erased', 'live'])
    stream.close()
  })

  test('holds its filters before and after it is live', async () => {
    const stream = await follow(`${server.it.url}/v1/events?after=0&type=Erased&category=note`)
    expect((await stream.until(live)).map(({ event }) => event)).toEqual(['Erased', 'live'])
    await append('note-f', note('Written'), note('Erased', { n: 12 }))
    await append('key-other', note('Erased', { n: 13 }))
    await append('other-f', note('Erased', { n: 14 }))
    await append('note-f', note('Erased', { n: 15 }))
    expect((await stream.take(2)).map(({ data }) => data.data.n)).toEqual([12, 15])
    stream.close()
  })

  test('says where the log has not what was asked for', async () => {
    const head = (await get('?limit=1')).json.head as string
    const ahead = '9'.repeat(head.length)
    const stream = await follow(`${server.it.url}/v1/events`, { 'Last-Event-ID': ahead })
    const [gap, second] = await stream.take(2)
    expect(gap).toEqual({ id: undefined, event: 'gap', data: { from: ahead, to: head, reason: expect.any(String) } })
    expect(second?.event).toBe('live')
    await append('note-gap', note('Written', { n: 16 }))
    expect((await stream.take(1))[0]?.data.data.n).toBe(16)
    stream.close()
  })

  test('refuses a malformed Last-Event-ID', async () => {
    const answer = await get('', { Accept: 'text/event-stream', 'Last-Event-ID': 'banana' })
    expect(problem(answer)).toEqual(isProblem('invalid', 400))
  })

  test('leaves nothing out for a client that reads slowly, and keeps little for it', async () => {
    const stream = await follow(`${server.it.url}/v1/events?category=bulk`)
    await stream.take(1)
    stream.response.pause()
    const big = 'x'.repeat(10_000)
    const before = process.memoryUsage().external
    for (let batch = 0; batch < 60; batch++)
      await append('bulk-1', ...Array.from({ length: 50 }, (_, n) => note('Filled', { n: batch * 50 + n, big })))
    expect(process.memoryUsage().external - before).toBeLessThan(200_000_000)
    stream.response.resume()
    const all = await stream.take(3000)
    expect(all.map(({ data }) => data.data.n)).toEqual(Array.from({ length: 3000 }, (_, n) => n))
    await append('bulk-1', note('Filled', { n: 3000 }))
    expect((await stream.take(1))[0]?.data.data.n).toBe(3000)
    stream.close()
  })

  test('is the same for many who follow', async () => {
    const streams = await Promise.all(Array.from({ length: 50 }, () => follow(`${server.it.url}/v1/events?category=fan`)))
    await Promise.all(streams.map((stream) => stream.take(1)))
    for (let n = 0; n < 100; n++) await append('fan-1', note('Fanned', { n }))
    for (const stream of streams) {
      expect((await stream.take(100)).map(({ data }) => data.data.n)).toEqual(Array.from({ length: 100 }, (_, n) => n))
      stream.close()
    }
  })

  test('of one operation shows its events alone', async () => {
    const { json } = await server.it.probe({}, {}, { Prefer: 'wait=20' })
    const stream = await follow(`${server.it.url}/v1/operations/${json.id}/events?after=0`)
    expect((await stream.until(live)).map(({ event }) => event)).toEqual([
      'OperationRequested',
      'OperationStarted',
      'OperationSucceeded',
      'live',
    ])
    stream.close()
  })

  test('answers HEAD without a body', async () => {
    const answer = await server.it.ask('HEAD /v1/events', { headers: { Accept: 'text/event-stream' } })
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
  })
})

test('NDJSON is large and whole', async () => {
  const answer = await get('?category=bulk', { Accept: 'application/x-ndjson' })
  const lines = answer.text.split('\n')
  expect(lines.pop()).toBe('')
  expect(lines.map((line) => JSON.parse(line).data.n)).toEqual(Array.from({ length: 3001 }, (_, n) => n))
})

describe('a stream', () => {
  test('is read by revision, both ways', async () => {
    const first = await server.it.ask('GET /v1/streams/note-a?limit=2')
    expect(first.headers.get('etag')).toBe('"2"')
    expect([types(first.json.items), first.json.next, first.json.revision]).toEqual([['Written', 'Read'], 2, 2])
    const second = (await server.it.ask(`GET /v1/streams/note-a?limit=2&from=${first.json.next}`)).json
    expect([second.items.map(({ revision }: { revision: number }) => revision), second.next]).toEqual([[2], null])
    const back = (await server.it.ask('GET /v1/streams/note-a?order=desc&limit=2')).json
    expect([back.items.map(({ revision }: { revision: number }) => revision), back.next]).toEqual([[2, 1], 0])
    expect((await server.it.ask('GET /v1/streams/note-a?from=99')).json).toEqual({ items: [], next: null, revision: 2 })
    expect((await server.it.ask('GET /v1/streams/note-a', { headers: { 'If-None-Match': '"2"' } })).status).toBe(304)
  })

  test('is named by any text, percent-encoded', async () => {
    await append('note-a/b%c d', note('Written', { n: 20 }))
    const { status, json } = await server.it.ask('GET /v1/streams/note-a%2Fb%25c%20d')
    expect([status, json?.items[0].data.n]).toEqual([200, 20])
    expect((await get('?stream=note-a%2Fb%25c+d')).json.items).toHaveLength(1)
  })

  test('that is hidden is not there', async () => {
    for (const name of ['key-secret', 'lease-system', '%24system', 'note-nothing'])
      expect(problem(await server.it.ask(`GET /v1/streams/${name}`))).toEqual(isProblem('not-found', 404))
  })
})
