import { describe, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../../src/lib/json.ts'
import { startFace } from './harness.ts'

const crawl = { appid: 'testapp', crawlid: 'abc123', url: 'istresearch.com' }
const info = { uuid: 'u1', appid: 'testapp', spiderid: 'link', action: 'info' }
const success = (data: JsonValue) => ({ status: 'SUCCESS', data, error: null })
const unknown = { status: 'FAILURE', data: null, error: { message: 'An error occurred while processing your request.' } }
const typesOf = async (log: { readAll(): AsyncIterable<{ type: string; stream: string }> }): Promise<string[]> => {
  const types: string[] = []
  for await (const { type, stream } of log.readAll()) if (/^(feed|operation)-/.test(stream)) types.push(type)
  return types
}

describe('what feed answers', () => {
  test.each<readonly [string, string, number, unknown, string]>([
    ['a crawl', JSON.stringify(crawl), 200, success(null), 'crawl'],
    ['rubbish', '{"a":1}', 200, success(null), 'unrecognised'],
    ['an empty object', '{}', 200, success(null), 'unrecognised'],
    ['an array', '[1,["uuid"]]', 200, success(null), 'unrecognised'],
    ['a text', '"abc"', 200, success(null), 'unrecognised'],
    ['an empty text', '""', 200, success(null), 'unrecognised'],
    ['an array with a uuid', '["uuid"]', 500, unknown, 'unrecognised'],
    ['a text with a uuid', '"my uuid!"', 500, unknown, 'unrecognised'],
    ['a number', '0', 500, unknown, 'unrecognised'],
    ['true', 'true', 500, unknown, 'unrecognised'],
    ['false', 'false', 500, unknown, 'unrecognised'],
    ['a uuid that is an object', '{"uuid":{}}', 500, unknown, 'unrecognised'],
    ['a uuid that is an array', '{"uuid":[]}', 500, unknown, 'unrecognised'],
    ['a uuid that is a number', '{"uuid":5}', 200, success({ poll_id: 5 }), 'unrecognised'],
    ['a uuid that is null', '{"uuid":null}', 200, success({ poll_id: null }), 'unrecognised'],
    ['a uuid that is false', '{"uuid":false}', 200, success({ poll_id: false }), 'unrecognised'],
    ['an empty uuid', '{"uuid":""}', 200, success({ poll_id: '' }), 'unrecognised'],
    ['a crawl with a uuid', JSON.stringify({ ...crawl, uuid: 'x' }), 200, success({ poll_id: 'x' }), 'unrecognised'],
    ['an action nobody knows', JSON.stringify({ ...info, action: 'expire' }), 200, success({ poll_id: 'u1' }), 'unrecognised'],
    ['an appid too short', JSON.stringify({ ...info, appid: 'ab' }), 200, success({ poll_id: 'u1' }), 'unrecognised'],
    ['a stop of no crawl', JSON.stringify({ ...info, action: 'stop' }), 200, success({ poll_id: 'u1' }), 'action'],
    [
      'a throttle of no hits',
      '{"uuid":"u1","appid":"testapp","domain":"d","action":"domain-update"}',
      200,
      success({ poll_id: 'u1' }),
      'zookeeper',
    ],
    ['info', JSON.stringify(info), 200, success({ ...info, server_time: 0 }), 'action'],
    [
      'stats',
      '{"uuid":"u1","appid":"testapp"}',
      200,
      success({ uuid: 'u1', appid: 'testapp', stats: 'all', server_time: 0 }),
      'stats',
    ],
  ])('%s', async (_name, raw, status, body, feedClass) => {
    const { post } = await startFace()
    const answered = await post('/feed', { raw })
    expect([answered.status, answered.body]).toEqual([status, body])
    expect(answered.headers.get('feed-class')).toBe(feedClass)
    expect(answered.headers.has('feed-error')).toBe(feedClass === 'unrecognised')
  })

  test('the wrapper has three keys and its type is JSON', async () => {
    const { post } = await startFace()
    const { headers, body } = await post('/feed', crawl)
    expect(headers.get('content-type')).toBe('application/json')
    expect(Object.keys(body as JsonObject).sort()).toEqual(['data', 'error', 'status'])
  })

  test('a crawl costs one append, and its operation is named in the headers', async () => {
    const { post, ports } = await startFace()
    const { headers } = await post('/feed', crawl)
    const [first] = await typesOf(ports.log)
    expect(first).toBe('OperationRequested')
    const position = headers.get('event-position') ?? ''
    expect(await ports.projections.reached(position)).toBe(true)
    const { byId } = ports.operations(ports.knowledge.present(ports.operations.reads))
    expect(byId(headers.get('operation-id') ?? '')).toMatchObject({
      kind: 'crawling.crawl',
      face: 'crawling',
      input: { ...crawl, spiderid: 'link', priority: 1 },
    })
  })

  test('what is not recognised is kept with its reasons', async () => {
    const { post, send, ports } = await startFace()
    const { headers } = await post('/feed', { ...crawl, maxdepth: 5 })
    expect(headers.get('feed-nearest-class')).toBe('crawl')
    expect(headers.get('feed-error')).toBe('/maxdepth: 5 is greater than the maximum of 3')
    await post('/feed', 17)
    expect(await typesOf(ports.log)).toEqual(['FeedRejected', 'FeedRejected'])
    const { body } = await send('/v1/crawls/rejections', { headers: { 'Event-Position': await ports.log.head() } })
    expect(body).toMatchObject({
      items: [
        { nearestClass: null, payload: 17, truncated: false },
        { nearestClass: 'crawl', payload: { maxdepth: 5 }, errors: [{ pointer: '/maxdepth' }], principal: 'anonymous' },
      ],
      next: null,
    })
  })

  test('a rejection of almost any size is kept', async () => {
    const { post, send, ports } = await startFace()
    expect((await post('/feed', { nonsense: 'é'.repeat(400_000) })).status).toBe(200)
    const { body } = await send('/v1/crawls/rejections', { headers: { 'Event-Position': await ports.log.head() } })
    expect(body).toMatchObject({ items: [{ truncated: true }] })
  })

  test('a valid request that is too large to be recorded is 413', async () => {
    const { post } = await startFace()
    const { status, body } = await post('/feed', { ...crawl, attrs: { text: 'a'.repeat(1_048_300) } })
    expect([status, body]).toMatchObject([413, { status: 'FAILURE', data: null }])
  })

  test('without the additional headers nothing is added', async () => {
    const { post } = await startFace({ http: { extraHeaders: false } })
    const { headers } = await post('/feed', { uuid: 'a' })
    for (const name of ['feed-class', 'feed-error', 'operation-id', 'event-position', 'traceparent'])
      expect(headers.has(name)).toBe(false)
  })

  test('an Idempotency-Key makes a repetition the same request', async () => {
    const { post, ports } = await startFace()
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': 'k1' }
    const first = await post('/feed', crawl, headers)
    const again = await post('/feed', crawl, headers)
    expect(again.text).toBe(first.text)
    expect((await typesOf(ports.log)).filter((type) => type === 'OperationRequested')).toHaveLength(1)
  })
})

describe('a strict server', () => {
  test.each<readonly [string, JsonValue, string]>([
    ['a missing member', { appid: 'testapp', crawlid: '1' }, "u'url' is a required property"],
    ['an additional member', { ...crawl, uuid: 'x' }, "Additional properties are not allowed (u'uuid' was unexpected)"],
    ['no object', [], "[] is not of type u'object'"],
    ['a number', 5, "5 is not of type u'object'"],
  ])('refuses %s', async (_name, payload, cause) => {
    const { post, ports } = await startFace({ settings: { strict: true } })
    const { status, body } = await post('/feed', payload)
    expect([status, body]).toEqual([
      400,
      { status: 'FAILURE', data: null, error: { message: 'JSON did not validate against schema.', cause } },
    ])
    expect(await typesOf(ports.log)).toEqual(['FeedRejected'])
  })

  test('takes what is valid', async () => {
    const { post } = await startFace({ settings: { strict: true } })
    expect((await post('/feed', crawl)).body).toEqual(success(null))
    expect((await post('/feed', info)).body).toMatchObject({ data: { uuid: 'u1' } })
  })
})

test('a larger depth is taken where the setting allows it', async () => {
  const { post } = await startFace({ settings: { maxDepth: 10 } })
  expect((await post('/feed', { ...crawl, maxdepth: 10 })).headers.get('feed-class')).toBe('crawl')
})

test('without the log there is no Kafka and no Redis', async () => {
  const { post, stop } = await startFace()
  await stop()
  const error = (message: string) => ({ status: 'FAILURE', data: null, error: { message } })
  for (const payload of [crawl, info, { a: 1 }, 5]) {
    const { status, body } = await post('/feed', payload)
    expect([status, body]).toEqual([500, error('Unable to connect to Kafka')])
  }
  const { status, body } = await post('/poll', { poll_id: 'a' })
  expect([status, body]).toEqual([500, error('Unable to connect to Redis')])
})
