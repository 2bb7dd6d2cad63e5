import { describe, expect, test } from 'vitest'
import { json, startFace } from './harness.ts'

const failure = (message: string, cause?: string) => ({
  status: 'FAILURE',
  data: null,
  error: cause === undefined ? { message } : { message, cause },
})

describe('the index', () => {
  test.each(['GET', 'POST'])('%s answers five keys', async (method) => {
    const { send } = await startFace()
    const { status, headers, body } = await send('/', { method })
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('application/json')
    expect(body).toEqual({
      kafka_connected: true,
      redis_connected: true,
      node_health: 'GREEN',
      my_id: '0123456789ab',
      uptime_sec: expect.any(Number),
    })
  })

  test('ignores its body', async () => {
    const { post } = await startFace()
    expect((await post('/', { raw: '{"malformed' })).status).toBe(200)
  })

  test('HEAD has no body', async () => {
    const { send } = await startFace()
    const { status, text } = await send('/', { method: 'HEAD' })
    expect([status, text]).toEqual([200, ''])
  })

  test('is 200 even when nothing works, and what cannot be taken is refused in the words of the face', async () => {
    const { send, post } = await startFace({ ready: false })
    expect(await send('/')).toMatchObject({
      status: 200,
      body: { kafka_connected: false, redis_connected: false, node_health: 'RED', my_id: '0123456789ab' },
    })
    expect(await post('/feed', {})).toMatchObject({ status: 500, body: failure('Unable to connect to Kafka') })
    expect(await post('/poll', { poll_id: 'a' })).toMatchObject({ status: 500, body: failure('Unable to connect to Redis') })
  })
})

describe('what is no endpoint', () => {
  const nowhere = ['/feed/', '/poll/', '/index.html', '/feed/x', '//', '/api/nothing']

  test.each(['GET', 'POST'])('%s is 404 with the wrapper', async (method) => {
    const { send } = await startFace()
    for (const path of [...nowhere, ...(method === 'GET' ? ['/feed', '/poll'] : [])]) {
      const { status, headers, body } = await send(path, { method })
      expect([path, status]).toEqual([path, 404])
      expect(headers.get('content-type')).toBe('application/json')
      expect(body).toEqual(failure('The desired endpoint does not exist'))
    }
  })

  test('POST with malformed JSON is 404 too', async () => {
    const { post } = await startFace()
    expect((await post('/nowhere', { raw: '{' })).status).toBe(404)
  })

  test('HEAD is 404 without a body', async () => {
    const { send } = await startFace()
    for (const path of ['/feed', '/poll', '/nowhere']) {
      const { status, text } = await send(path, { method: 'HEAD' })
      expect([status, text]).toEqual([404, ''])
    }
  })

  test.each(['PUT', 'PATCH', 'DELETE'])('%s is 405 with Allow', async (method) => {
    const { send } = await startFace()
    for (const [path, allow] of [
      ['/', 'GET, HEAD, POST, OPTIONS'],
      ['/feed', 'POST, OPTIONS'],
      ['/poll', 'POST, OPTIONS'],
      ['/nowhere', 'GET, HEAD, POST, OPTIONS'],
    ] as const) {
      const { status, headers, body } = await send(path, { method })
      expect([path, status, headers.get('allow')]).toEqual([path, 405, allow])
      expect(body).toEqual(failure('The method is not allowed for the requested URL.'))
    }
  })
})

describe('programs in a browser', () => {
  test('may ask before they post', async () => {
    const { send } = await startFace({ http: { allowedOrigins: ['http://ui'] } })
    for (const path of ['/', '/feed', '/poll']) {
      const { status, headers, text } = await send(path, {
        method: 'OPTIONS',
        headers: {
          Origin: 'http://ui',
          'Access-Control-Request-Method': 'POST',
          'Access-Control-Request-Headers': 'content-type',
        },
      })
      expect([status, text]).toEqual([200, ''])
      expect(headers.get('allow')).toContain('POST')
      expect(headers.get('access-control-allow-origin')).toBe('*')
      expect(headers.get('access-control-max-age')).toBe('21600')
      expect(headers.get('access-control-allow-methods')).toContain('POST')
      expect(headers.get('access-control-allow-headers')).toMatch(/Content-Type.*Authorization/)
    }
  })

  test('may read every answer', async () => {
    const { send, post } = await startFace()
    const answers = [await send('/'), await send('/nowhere'), await send('/feed', { method: 'PUT' }), await post('/poll', {})]
    for (const { headers } of answers) expect(headers.get('access-control-allow-origin')).toBe('*')
  })
})

describe('what is taken for JSON', () => {
  const notJson = failure('The payload must be valid JSON.')

  test.each([
    'application/json',
    'application/json; charset=latin1',
    'APPLICATION/JSON',
    'application/vnd.api+json',
    'application/+json;x=y',
  ])('%s', async (type) => {
    const { post } = await startFace()
    expect((await post('/feed', { a: 1 }, { 'Content-Type': type })).status).toBe(200)
    expect((await post('/poll', { poll_id: 'a' }, { 'Content-Type': type })).status).toBe(404)
  })

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'text/json',
    'application/jsonx',
    'text/vnd.api+json',
    'json',
    '',
  ])('not %j', async (type) => {
    const { post } = await startFace()
    for (const path of ['/feed', '/poll']) {
      const { status, body } = await post(path, { poll_id: 'a' }, type === '' ? {} : { 'Content-Type': type })
      expect([status, body]).toEqual([400, notJson])
    }
  })

  test.each<readonly [string, string | Uint8Array]>([
    ['nothing', ''],
    ['white space', ' \n'],
    ['half an object', '{"poll_id":'],
    ['a comma too many', '{"poll_id":"a",}'],
    ['null', 'null'],
    ['null with a byte order mark', '\uFEFF null'],
    ['NaN', 'NaN'],
    ['two values', '{}{}'],
    ['bytes that are not UTF-8', Uint8Array.from([0x22, 0xff, 0xfe, 0x22])],
    ['half a character', Uint8Array.from([0x22, 0xc3, 0x22])],
  ])('not %s', async (_name, raw) => {
    const { post } = await startFace()
    for (const path of ['/feed', '/poll']) {
      const { status, body } = await post(path, { raw })
      expect([status, body]).toEqual([400, notJson])
    }
  })

  test('a byte order mark is passed over; of equal keys the last wins', async () => {
    const { post } = await startFace()
    expect((await post('/poll', { raw: '\uFEFF{"poll_id":"a"}' })).status).toBe(404)
    expect((await post('/poll', { raw: '{"poll_id":5,"poll_id":"a"}' })).status).toBe(404)
    expect((await post('/feed', { raw: '\uFEFF{"uuid":1,"uuid":2.50}' })).text).toContain('{"poll_id":2.50}')
  })

  test('a body over the limit is 413 with the wrapper', async () => {
    const { post } = await startFace({ http: { maxBodyBytes: 100 } })
    for (const path of ['/feed', '/poll']) {
      const { status, body } = await post(path, { poll_id: 'a'.repeat(200) })
      expect(status).toBe(413)
      expect(body).toMatchObject({ status: 'FAILURE', data: null, error: { message: expect.stringContaining('100 bytes') } })
    }
  })
})

describe('credentials', () => {
  test('where they are demanded, the wrapper says so', async () => {
    const { send, ports } = await startFace()
    const { token } = await ports.credentials.add({ name: 'reader', scopes: ['crawling:read'] })
    for (const [path, method] of [
      ['/', 'GET'],
      ['/feed', 'POST'],
      ['/poll', 'POST'],
      ['/nowhere', 'GET'],
    ] as const) {
      const { status, headers, body } = await send(path, { method, headers: { ...json, Authorization: 'Bearer wrong' } })
      expect([path, status]).toEqual([path, 401])
      expect(headers.get('www-authenticate')).toContain('Bearer')
      expect(body).toMatchObject({ status: 'FAILURE', data: null, error: { message: expect.any(String) } })
    }
    const reader = { ...json, Authorization: `Bearer ${token}` }
    expect((await send('/', { headers: reader })).status).toBe(200)
    expect((await send('/feed', { method: 'POST', headers: reader, body: '{}' })).status).toBe(403)
    expect((await send('/%66eed', { method: 'POST', headers: reader, body: '{}' })).status).toBe(403)
    expect((await send('/feed', { method: 'OPTIONS' })).status).toBe(200)
  })
})
