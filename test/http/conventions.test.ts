import { describe, expect, test } from 'vitest'
import { isProblem, problem, useApp } from './app.ts'

const server = useApp()
const uuid = '019ab2c4-0000-7000-8000-000000000000'

describe('problems', () => {
  test('carry instance as sent, without the query', async () => {
    const answer = await server.it.ask('GET /v1/operations/%41?wait=1')
    expect(problem(answer)).toEqual(isProblem('not-found', 404))
    expect(answer.json).toMatchObject({ title: expect.any(String), detail: expect.any(String), instance: '/v1/operations/%41' })
  })

  test.each([
    'GET /v1',
    'GET /v1/',
    'GET /v1/nothing',
    `GET /v1/operations/${uuid}`,
    'GET /v1/operations/not-a-uuid',
    `GET /v1/operations/${uuid}/events`,
    `GET /v1/operations/${uuid}/output`,
    `POST /v1/operations/${uuid}/cancel`,
    `POST /v1/operations/${uuid}/retry`,
    'GET /v1/streams/nothing-here',
    'POST /v1/projections/nothing/rebuild',
    'GET /docs/nothing.js',
    'GET /docs/package.json',
    'GET /docs/..%2fpackage.json',
    'GET /livez/deeper',
    'POST /v1/nothing',
    'GET /v1/operations/',
    'GET /v1/operations/%00',
    'GET /v1/operations/%ff%fe',
  ])('%s is not found', async (line) => {
    expect(problem(await server.it.ask(line))).toEqual(isProblem('not-found', 404))
  })

  test.each([
    ['DELETE /v1/operations', 'GET, HEAD, POST, OPTIONS'],
    ['PUT /v1/events', 'GET, HEAD, OPTIONS'],
    [`GET /v1/operations/${uuid}/cancel`, 'POST, OPTIONS'],
    ['POST /livez', 'GET, HEAD, OPTIONS'],
    ['PATCH /openapi.json', 'GET, HEAD, OPTIONS'],
  ])('%s is not allowed', async (line, allow) => {
    const answer = await server.it.ask(line)
    expect(problem(answer)).toEqual(isProblem('method-not-allowed', 405))
    expect(answer.headers.get('allow')).toBe(allow)
  })

  test('OPTIONS names the methods', async () => {
    const answer = await server.it.ask('OPTIONS /v1/operations')
    expect([answer.status, answer.headers.get('allow')]).toEqual([204, 'GET, HEAD, POST, OPTIONS'])
  })

  test('a path that belongs to nobody is worded by the crawling face', async () => {
    const answer = await server.it.ask('GET /v2/operations')
    expect([answer.status, answer.json.status]).toEqual([404, 'FAILURE'])
  })
})

test('HEAD answers as GET does, without a body', async () => {
  const head = await server.it.ask('HEAD /v1/projections')
  expect([head.status, head.text, head.headers.get('content-type')]).toEqual([200, '', 'application/json'])
  expect((await server.it.ask('HEAD /v1/nothing')).status).toBe(404)
})

describe('traceparent', () => {
  test('is continued and kept in the events', async () => {
    const trace = '0af7651916cd43dd8448eb211c80319c'
    const answer = await server.it.probe({}, {}, { traceparent: `00-${trace}-b7ad6b7169203331-01` })
    const sent = answer.headers.get('traceparent') ?? ''
    expect(sent).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`))
    expect(sent).not.toContain('b7ad6b7169203331')
    const { json } = await server.it.ask(`GET /v1/operations/${answer.json.id}/events`)
    expect(json.items[0].metadata.traceparent).toBe(sent)
  })

  test.each(['', 'nonsense', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`, `ff-${'a'.repeat(32)}-b7ad6b7169203331-01`])(
    'is new where the header is %j',
    async (traceparent) => {
      const answer = await server.it.ask('GET /livez', { headers: { traceparent } })
      expect(answer.headers.get('traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    },
  )
})

describe('Event-Position', () => {
  test('of a write is seen by the read that carries it', async () => {
    const written = await server.it.probe()
    const position = written.headers.get('event-position') ?? ''
    const read = await server.it.ask('GET /v1/operations?limit=1', { headers: { 'Event-Position': position } })
    expect(read.json.items[0].id).toBe(written.json.id)
  })

  test('that lies ahead is waited for and then refused', async () => {
    const head = (await server.it.ask('GET /v1/events?limit=1')).json.head as string
    const ahead = '9'.repeat(head.length)
    const answer = await server.it.ask('GET /v1/operations', { headers: { 'Event-Position': ahead } })
    expect(problem(answer)).toEqual(isProblem('not-caught-up', 503))
    expect(answer.headers.get('retry-after')).toBe('1')
  })

  test.each(['banana', '1', '-1', '0000000000000001 '.repeat(3), '🦆'.codePointAt(0)?.toString() ?? ''])(
    '%j is malformed',
    async (position) => {
      const answer = await server.it.ask('GET /v1/operations', { headers: { 'Event-Position': position } })
      expect(problem(answer)).toEqual(isProblem('invalid', 400))
    },
  )
})

describe('bodies', () => {
  const json = { 'Content-Type': 'application/json' }
  const post = (raw: string | Uint8Array, headers: Record<string, string> = json) =>
    server.it.ask('POST /v1/operations', { raw, headers })

  test.each([
    ['empty', ''],
    ['cut off', '{"kind":"probe"'],
    ['an array', '[]'],
    ['a text', '"probe"'],
    ['null', 'null'],
    ['a raw NUL', '{"kind":"pro\u0000be","input":{}}'],
    ['not UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['deep arrays', `{"kind":"probe","input":{"echo":${'['.repeat(200_000)}${']'.repeat(200_000)}}}`],
    ['deep objects', `{"kind":"probe","input":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`],
    ['unclosed depth', '['.repeat(900_000)],
  ])('%s is invalid', async (_name, raw) => {
    expect(problem(await post(raw))).toEqual(isProblem('invalid', 400))
    expect((await server.it.ask('GET /livez')).status).toBe(200)
  })

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'application/vnd.api+json'])(
    '%s is refused',
    async (type) => {
      expect(problem(await post('{"kind":"probe","input":{}}', { 'Content-Type': type }))).toEqual(
        isProblem('unsupported-media-type', 415),
      )
    },
  )

  test('a body without a type is refused, and so is a coded one', async () => {
    expect(problem(await post(new TextEncoder().encode('{"kind":"probe","input":{}}'), {}))).toEqual(
      isProblem('unsupported-media-type', 415),
    )
    expect(problem(await post('{}', { ...json, 'Content-Encoding': 'gzip' }))).toEqual(isProblem('unsupported-media-type', 415))
  })

  test('parameters of the type and a byte order mark are welcome', async () => {
    const answer = await post('\ufeff{"kind":"probe","input":{}}', { 'Content-Type': 'Application/JSON; charset=utf-8' })
    expect(answer.status).toBe(202)
  })

  test('over 1 MiB is too large, announced or not', async () => {
    const large = `{"kind":"probe","input":{"echo":"${'x'.repeat(1_048_576)}"}}`
    expect(problem(await post(large))).toEqual(isProblem('too-large', 413))
    const chunks = new ReadableStream({
      start: (controller) => {
        for (let sent = 0; sent < 40; sent++) controller.enqueue(new TextEncoder().encode(' '.repeat(65_536)))
        controller.close()
      },
    })
    const response = await fetch(`${server.it.url}/v1/operations`, {
      method: 'POST',
      headers: json,
      body: chunks,
      duplex: 'half',
    } as never)
    expect(response.status).toBe(413)
    expect(await response.json()).toMatchObject({ type: 'urn:intendant:problem:too-large' })
  })

  test('all wrong members are named at once', async () => {
    const answer = await server.it.ask('POST /v1/operations', {
      body: { kind: 5, input: {}, prioritty: 1, priority: 2000, policy: { attempts: 0, retries: 1 } },
    })
    expect(problem(answer)).toEqual(isProblem('invalid', 400))
    const pointers = answer.json.errors.map(({ pointer }: { pointer: string }) => pointer).sort()
    expect(pointers).toEqual(['/kind', '/policy/attempts', '/policy/retries', '/priority', '/prioritty'].sort())
  })

  test('members of the input are named below /input', async () => {
    const answer = await server.it.probe({ sleepMs: -1, 'a/b~c': 1 })
    expect(problem(answer)).toEqual(isProblem('invalid', 400))
    expect(answer.json.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
      '/input/a~1b~0c',
      '/input/sleepMs',
    ])
  })
})

describe('query parameters', () => {
  test.each([
    ['GET /v1/operations?stat=failed', '?stat'],
    ['GET /v1/operations?state=broken', '?state'],
    ['GET /v1/operations?limit=0', '?limit'],
    ['GET /v1/operations?limit=1001', '?limit'],
    ['GET /v1/operations?limit=ten', '?limit'],
    ['GET /v1/operations?limit=1&limit=2', '?limit'],
    ['GET /v1/operations?cursor=xyz', '?cursor'],
    ['GET /v1/operations?cursor=WyJhIiwxXQ', '?cursor'],
    ['GET /v1/operations?order=up', '?order'],
    ['GET /v1/operations?from=yesterday', '?from'],
    ['GET /v1/operations?to=2026-13-01T00:00:00Z', '?to'],
    ['GET /v1/events?after=banana', '?after'],
    ['GET /v1/events?typ=OperationStarted', '?typ'],
    ['GET /v1/events?from=2026', '?from'],
    ['GET /v1/streams/operation-x?from=-1', '?from'],
    ['GET /v1/kinds?filter=x', '?filter'],
    ['GET /v1/projections?x=', '?x'],
    ['POST /v1/operations?wait=1', '?wait'],
    [`GET /v1/operations/${uuid}?wait=61`, '?wait'],
    [`GET /v1/operations/${uuid}/output?offset=-1`, '?offset'],
    ['GET /livez?x=1', '?x'],
    ['GET /v1/operations?__proto__=1', '?__proto__'],
  ])('%s', async (line, pointer) => {
    const answer = await server.it.ask(line, line.startsWith('POST') ? { body: { kind: 'probe', input: {} } } : {})
    expect(problem(answer)).toEqual(isProblem('invalid', 400))
    expect(answer.json.errors[0].pointer).toBe(pointer)
  })
})
