import { describe, expect, test } from 'vitest'
import { newId } from '../../src/lib/ids.ts'
import { isProblem, problem, useApp } from './app.ts'

const server = useApp()
const wait = { Prefer: 'wait=20' }
/** Waits until an operation has ended. */
const ended = async (id: string) => (await server.it.ask(`GET /v1/operations/${id}?wait=20`)).json
/** Waits until an operation runs: its revision differs from that of the request. */
const running = (id: string) => server.it.ask(`GET /v1/operations/${id}?wait=20`, { headers: { 'If-None-Match': '"0"' } })

describe('submitting', () => {
  test('is accepted with everything that leads on', async () => {
    const answer = await server.it.probe({ echo: [1, 'ü', null] }, { lane: 'a lane', priority: 7 })
    expect(answer.status).toBe(202)
    const { id } = answer.json
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/)
    expect(answer.headers.get('location')).toBe(`/v1/operations/${id}`)
    expect(answer.headers.get('operation-id')).toBe(id)
    expect(answer.headers.get('etag')).toBe(`"${answer.json.revision}"`)
    expect(answer.headers.get('event-position')).toBeTruthy()
    expect(answer.json).toMatchObject({
      kind: 'probe',
      face: null,
      lane: 'a lane',
      retryOf: null,
      correlationId: expect.any(String),
    })
    expect(answer.json.requestedBy).toEqual({ principal: 'anonymous', face: null, address: '127.0.0.1' })
    expect(await ended(id)).toMatchObject({ state: 'succeeded', result: { echo: [1, 'ü', null], attempt: 1 }, waitingFor: null })
  })

  test('with Prefer: wait answers 200 when it ended in time', async () => {
    const answer = await server.it.probe({}, {}, wait)
    expect([answer.status, answer.json.state, answer.headers.get('preference-applied')]).toEqual([200, 'succeeded', 'wait=20'])
  })

  test('with Prefer: wait answers 202 when it did not', async () => {
    const answer = await server.it.probe({ sleepMs: 60_000 }, {}, { Prefer: 'respond-async, wait=1' })
    expect([answer.status, answer.headers.get('preference-applied')]).toEqual([202, 'wait=1'])
    await server.it.ask(`POST /v1/operations/${answer.json.id}/cancel`)
  })

  test('of an unknown kind is invalid, of an inner kind forbidden', async () => {
    const unknown = await server.it.ask('POST /v1/operations', { body: { kind: 'nothing', input: {} } })
    expect(problem(unknown)).toEqual(isProblem('invalid', 400))
    expect(unknown.json.errors).toEqual([{ pointer: '/kind', message: expect.any(String) }])
    const inner = await server.it.ask('POST /v1/operations', { body: { kind: 'crawling.info', input: {} } })
    expect(problem(inner)).toEqual(isProblem('kind-not-submittable', 403))
  })

  test.each([
    { lane: '' },
    { lane: 'x'.repeat(201) },
    { lane: 'a\u0000b' },
    { lane: '\ud800' },
    { priority: 1.5 },
    { runAt: 'tomorrow' },
    { policy: { attempts: 'many' } },
    { face: 'crawling' },
    { retryOf: null },
  ])('with %j is invalid', async (more) => {
    expect(problem(await server.it.probe({}, more))).toEqual(isProblem('invalid', 400))
  })

  test('without an input is invalid', async () => {
    const answer = await server.it.ask('POST /v1/operations', { body: { kind: 'probe' } })
    expect([problem(answer), answer.json.errors[0].pointer]).toEqual([isProblem('invalid', 400), '/input'])
  })
})

describe('one operation', () => {
  test('is not sent again to who knows its revision', async () => {
    const { json, headers } = await server.it.probe({}, {}, wait)
    const again = await server.it.ask(`GET /v1/operations/${json.id}`, {
      headers: { 'If-None-Match': `W/"9", "${json.revision}"` },
    })
    expect([again.status, again.text, again.headers.get('etag')]).toEqual([304, '', headers.get('etag')])
    const other = await server.it.ask(`GET /v1/operations/${json.id}`, { headers: { 'If-None-Match': '"0"' } })
    expect(other.status).toBe(200)
  })

  test('that has ended answers 304 at once, whatever the wait', async () => {
    const { json } = await server.it.probe({}, {}, wait)
    const began = performance.now()
    const again = await server.it.ask(`GET /v1/operations/${json.id}?wait=30`, {
      headers: { 'If-None-Match': `"${json.revision}"` },
    })
    expect(again.status).toBe(304)
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  test('that does not change answers 304 after the wait', async () => {
    const { json } = await server.it.probe({}, { runAt: '2099-01-01T00:00:00+02:00' })
    expect(json).toMatchObject({ state: 'pending', waitingFor: { reason: 'time', until: '2098-12-31T22:00:00.000Z' } })
    const answer = await server.it.ask(`GET /v1/operations/${json.id}?wait=1`, { headers: { 'If-None-Match': '"0"' } })
    expect(answer.status).toBe(304)
    expect((await server.it.ask(`GET /v1/operations/${json.id}?wait=0`)).status).toBe(200)
  })
})

describe('cancelling', () => {
  const cancel = (id: string, body?: unknown, headers = {}) =>
    server.it.ask(`POST /v1/operations/${id}/cancel`, { body, headers })

  test('a waiting operation ends it at once, and twice is no mistake', async () => {
    const { json } = await server.it.probe({}, { runAt: '2099-01-01T00:00:00Z' })
    const first = await cancel(json.id, { reason: 'not needed' })
    expect([first.status, first.json.state, first.headers.get('operation-id')]).toEqual([202, 'cancelled', json.id])
    const second = await cancel(json.id)
    expect([second.status, second.json.revision]).toEqual([200, first.json.revision])
    expect(second.headers.get('event-position')).toBe(first.headers.get('event-position'))
    const events = await server.it.ask(`GET /v1/operations/${json.id}/events`)
    expect(events.json.items.at(-1)).toMatchObject({ type: 'OperationCancelled', data: { reason: 'not needed' } })
  })

  test('a running one stops its work', async () => {
    const { json } = await server.it.probe({ sleepMs: 60_000 })
    await running(json.id)
    const answer = await cancel(json.id)
    expect(answer.status).toBe(202)
    expect(await ended(json.id)).toMatchObject({ state: 'cancelled' })
  })

  test('one that ended otherwise is impossible', async () => {
    const { json } = await server.it.probe({}, {}, wait)
    const answer = await cancel(json.id)
    expect(problem(answer)).toEqual(isProblem('impossible-transition', 409))
    expect(answer.json).toMatchObject({ operationId: json.id, detail: expect.stringContaining('succeeded') })
  })

  test('another revision than the pinned one is not touched', async () => {
    const { json } = await server.it.probe({}, { runAt: '2099-01-01T00:00:00Z' })
    for (const tag of ['"5"', '"nonsense"', 'W/"0"', '"4", "5"']) {
      const answer = await cancel(json.id, {}, { 'If-Match': tag })
      expect(problem(answer)).toEqual(isProblem('version-mismatch', 412))
      expect(answer.json).toMatchObject({ expected: tag, actual: '"0"' })
    }
    expect((await cancel(json.id, {}, { 'If-Match': '"0"' })).status).toBe(202)
    const other = await server.it.probe({}, { runAt: '2099-01-01T00:00:00Z' })
    expect((await cancel(other.json.id, {}, { 'If-Match': '*' })).status).toBe(202)
  })

  test('takes a reason and nothing else', async () => {
    const { json } = await server.it.probe({}, {}, wait)
    expect(problem(await cancel(json.id, { why: 'x' }))).toEqual(isProblem('invalid', 400))
    expect(problem(await cancel(json.id, { reason: 5 }))).toEqual(isProblem('invalid', 400))
    const typed = await server.it.ask(`POST /v1/operations/${json.id}/cancel`, {
      raw: '{}',
      headers: { 'Content-Type': 'text/plain' },
    })
    expect(problem(typed)).toEqual(isProblem('unsupported-media-type', 415))
  })
})

describe('retrying', () => {
  test('makes a new operation like the failed one', async () => {
    const failed = await server.it.probe(
      { failAttempts: 9, echo: 'x' },
      { policy: { attempts: 1 }, lane: 'retried', priority: 3 },
      wait,
    )
    expect(failed.json).toMatchObject({ state: 'failed', error: { type: 'probe-failed' } })
    const answer = await server.it.ask(`POST /v1/operations/${failed.json.id}/retry`, { headers: wait })
    expect(answer.status).toBe(200)
    expect(answer.json).toMatchObject({
      retryOf: failed.json.id,
      lane: 'retried',
      input: { failAttempts: 9, echo: 'x' },
      maxAttempts: 1,
    })
    expect(answer.json.id).not.toBe(failed.json.id)
    expect(answer.headers.get('location')).toBe(`/v1/operations/${answer.json.id}`)
    expect((await server.it.ask(`GET /v1/operations/${failed.json.id}`)).json).toEqual(failed.json)
  })

  test('one that succeeded or runs is impossible', async () => {
    const { json } = await server.it.probe({}, {}, wait)
    expect(problem(await server.it.ask(`POST /v1/operations/${json.id}/retry`))).toEqual(isProblem('impossible-transition', 409))
    const other = await server.it.probe({ sleepMs: 60_000 })
    await running(other.json.id)
    const refused = await server.it.ask(`POST /v1/operations/${other.json.id}/retry`)
    expect(problem(refused)).toEqual(isProblem('impossible-transition', 409))
    expect(refused.json.detail).toContain('running')
    await server.it.ask(`POST /v1/operations/${other.json.id}/cancel`)
  })

  test('another revision than the pinned one is refused', async () => {
    const failed = await server.it.probe({ failAttempts: 9 }, { policy: { attempts: 1 } }, wait)
    const answer = await server.it.ask(`POST /v1/operations/${failed.json.id}/retry`, { headers: { 'If-Match': '"0"' } })
    expect(problem(answer)).toEqual(isProblem('version-mismatch', 412))
  })
})

describe('the list', () => {
  test('goes through everything once while more arrives', async () => {
    const mine: string[] = []
    for (let n = 0; n < 7; n++) mine.push((await server.it.probe({}, { lane: `list-${n % 2}` })).json.id)
    const seen: string[] = []
    let path = 'GET /v1/operations?limit=2&lane=list-0&lane=list-1'
    for (;;) {
      const { json } = await server.it.ask(path)
      seen.push(...json.items.map(({ id }: { id: string }) => id))
      if (json.next === null) break
      await server.it.probe({}, { lane: 'list-0' })
      path = `GET /v1/operations?limit=2&lane=list-0&lane=list-1&cursor=${json.next}`
    }
    expect(seen).toEqual(mine.toReversed())
    const ascending = await server.it.ask('GET /v1/operations?order=asc&lane=list-1')
    expect(ascending.json.items.map(({ id }: { id: string }) => id)).toEqual(mine.filter((_, n) => n % 2 === 1))
  })

  test('is empty for filters that nothing fits', async () => {
    for (const filter of [
      'face=nobody',
      'principal=nobody',
      'kind=nothing',
      'to=2000-01-01T00:00:00Z',
      'from=2999-01-01T00:00:00Z',
    ])
      expect((await server.it.ask(`GET /v1/operations?${filter}`)).json).toEqual({ items: [], next: null })
  })
})

describe('labels', () => {
  test('are shown, kept by a retry, and filter the list: all of them must fit', async () => {
    const { it } = server
    const labels = JSON.parse('{"team":"search","app.kubernetes.io/name":"a:b","empty":"","__proto__":"kept"}')
    const failed = await it.probe({ failAttempts: 9 }, { policy: { attempts: 1 }, labels, limits: ['licence'] }, wait)
    expect(failed.json).toMatchObject({ labels, limits: ['licence'] })
    expect(failed.text).toContain('"__proto__":"kept"')
    const again = (await it.ask(`POST /v1/operations/${failed.json.id}/retry`)).json
    expect(again).toMatchObject({ labels, limits: ['licence'] })
    await it.probe({}, { labels: { team: 'ads' } })
    const ids = async (query: string) =>
      (await it.ask(`GET /v1/operations?${query}`)).json.items.map(({ id }: { id: string }) => id)
    const both = [again.id, failed.json.id]
    expect(await ids('label=team:search')).toEqual(both)
    expect(await ids('label=team&label=app.kubernetes.io/name:a:b')).toEqual(both)
    expect(await ids('label=empty:&limit=1')).toEqual([again.id])
    expect(await ids('label=team:search&state=failed&kind=probe&to=2999-01-01T00:00:00Z')).toContain(failed.json.id)
    expect(await ids('label=team:search&label=team:ads')).toEqual([])
  })

  test.each([
    [{ labels: { 'no space': 'a' } }, '/labels/no space'],
    [{ labels: { a: 1 } }, '/labels/a'],
    [{ labels: { a: 'x'.repeat(256) } }, '/labels/a'],
    [{ labels: Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`l${n}`, ''])) }, '/labels'],
    [{ limits: Array.from({ length: 9 }, (_, n) => `l${n}`) }, '/limits'],
    [{ limits: [''] }, '/limits/0'],
    [{ limits: ['a', 'a'] }, '/limits'],
  ])('%o is refused with its pointer', async (more, pointer) => {
    const refused = await server.it.probe({}, more)
    expect(problem(refused)).toEqual(isProblem('invalid', 400))
    expect(refused.json.errors).toEqual([{ pointer, message: expect.any(String) }])
  })
})

describe('output', () => {
  const text = 'zeile eins ü\nzeile zwei 🦆\n'

  test('is read by bytes', async () => {
    const { json } = await server.it.probe({ output: text }, {}, wait)
    const whole = await server.it.ask(`GET /v1/operations/${json.id}/output`)
    expect([whole.text, whole.headers.get('content-type')]).toEqual([text, 'text/plain; charset=utf-8'])
    const size = String(Buffer.byteLength(text))
    expect([whole.headers.get('output-next-offset'), whole.headers.get('output-complete')]).toEqual([size, 'true'])
    const part = await server.it.ask(`GET /v1/operations/${json.id}/output?offset=6&limit=4`)
    expect([part.text, part.headers.get('output-next-offset'), part.headers.get('output-complete')]).toEqual([
      'eins',
      '10',
      'false',
    ])
    const past = await server.it.ask(`GET /v1/operations/${json.id}/output?offset=${size}`)
    expect([past.status, past.text, past.headers.get('output-complete')]).toEqual([200, '', 'true'])
  })

  test('that is not there yet is waited for', async () => {
    const { json } = await server.it.probe(
      { output: 'later', sleepMs: 30_000 },
      { runAt: new Date(Date.now() + 300).toISOString() },
    )
    const now = await server.it.ask(`GET /v1/operations/${json.id}/output`)
    expect([now.text, now.headers.get('output-complete')]).toEqual(['', 'false'])
    const later = await server.it.ask(`GET /v1/operations/${json.id}/output?wait=20`)
    expect([later.text, later.headers.get('output-complete')]).toEqual(['later', 'false'])
    const end = server.it.ask(`GET /v1/operations/${json.id}/output?offset=5&wait=20`)
    await server.it.ask(`POST /v1/operations/${json.id}/cancel`)
    expect((await end).headers.get('output-complete')).toBe('true')
  })
})

test('kinds say what they take and who takes them', async () => {
  const { json } = await server.it.ask('GET /v1/kinds')
  const probe = json.items.find(({ kind }: { kind: string }) => kind === 'probe')
  expect(probe).toMatchObject({ face: null, submittable: true, workers: 1, policy: { attempts: 5 } })
  expect(probe.inputSchema).toMatchObject({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    additionalProperties: false,
  })
  const first = await server.it.ask('GET /v1/kinds?limit=1')
  const second = await server.it.ask(`GET /v1/kinds?limit=1&cursor=${first.json.next}`)
  expect([...first.json.items, ...second.json.items]).toEqual(json.items.slice(0, 2))
})

test('views are listed and made again while they answer', async () => {
  const { json } = await server.it.probe({}, {}, wait)
  const answer = await server.it.ask('POST /v1/projections/operations/rebuild')
  expect([answer.status, answer.json.name, answer.headers.has('event-position')]).toEqual([202, 'operations', true])
  expect((await server.it.ask(`GET /v1/operations/${json.id}`)).json).toEqual(json)
  const position = answer.headers.get('event-position') ?? ''
  const list = await server.it.ask('GET /v1/projections', { headers: { 'Event-Position': position } })
  expect(list.json.items.map(({ name }: { name: string }) => name)).toContain('operations')
  expect(list.json.items[0]).toEqual({
    name: expect.any(String),
    version: expect.any(Number),
    position: expect.any(String),
    lag: expect.any(Number),
    state: expect.any(String),
    fault: null,
  })
})

test('an operation is found as soon as it was accepted', async () => {
  const { app, url } = server.it
  const actor = { principal: 'anonymous', face: null, address: null }
  for (let n = 0; n < 20; n++) {
    const submitted = await app.ports.submit({ kind: 'probe', input: {} }, { commandId: newId(), correlationId: 'c', actor })
    if (submitted.refused !== undefined) throw new Error('refused')
    expect((await app.fetch(new Request(`${url}/v1/operations/${submitted.operationId}`))).status).toBe(200)
  }
})
