import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, rmSync, truncateSync } from 'node:fs'
import { type ClientRequest, request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { blobIdOf } from '../../../src/events/blob.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { sha256 } from '../../../src/lib/ids.ts'
import { noBackoff, type Work } from '../../../src/workers/work.ts'
import { type Answer, isProblem, problem, startApp, type TestApp } from '../app.ts'

const Input = z.strictObject({ file: z.string() })

/** Has a blob among its files, and runs until it is cancelled. */
const reader: Work<z.infer<typeof Input>> = {
  kind: 'reader',
  face: null,
  description: 'reads a blob',
  submittable: true,
  input: Input,
  files: (input) => [{ pointer: '/file', blob: (input as z.infer<typeof Input>).file }],
  policy: { attempts: 1, timeoutMs: 60_000, backoff: noBackoff, whenLost: 'retry' },
  run: async (_input, { signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    return null
  },
}

const limit = 200_000
let app: TestApp
beforeAll(async () => {
  app = await startApp({ MAX_BLOB_BYTES: String(limit), BODY_IDLE_MS: '1500' }, { works: [reader as Work] })
})
afterAll(() => app.stop())

const post = (content: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
  app.ask('POST /v1/blobs', { raw: content, headers })
const digestOf = (content: string | Uint8Array): string => `sha-256=:${createHash('sha256').update(content).digest('base64')}:`
/** Every file of the store, without the markers of doubt. */
const files = (): readonly string[] =>
  readdirSync(join(app.dataDir, 'blobs', 'uploads'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
const fileOf = (id: string): string => {
  const name = files().find((file) => file.startsWith(id.slice('sha256-'.length))) ?? ''
  return join(app.dataDir, 'blobs', 'uploads', name.slice(0, 2), name)
}

/** A request whose body is written piece by piece. */
const opened = (headers: Readonly<Record<string, string | number>>): { sent: ClientRequest; answer: Promise<Answer> } => {
  const { port } = new URL(app.url)
  const sent = request({ port, host: '127.0.0.1', method: 'POST', path: '/v1/blobs', headers })
  const answer = new Promise<Answer>((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk))
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: new Headers(response.headers as Record<string, string>),
          text,
          json: JSON.parse(text),
        }),
      )
    })
  })
  return { sent, answer }
}

describe('an upload', () => {
  test('is a blob, and the same bytes again are the same blob with the type that came first', async () => {
    const id = blobIdOf(sha256('hello\n'))
    const first = await post('hello\n', { 'Content-Type': 'text/plain; charset=utf-8' })
    expect(first.status).toBe(201)
    expect(first.json).toEqual({
      id,
      size: 6,
      contentType: 'text/plain; charset=utf-8',
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    })
    expect(first.headers.get('location')).toBe(`/v1/blobs/${id}`)
    expect(first.headers.get('event-position')).toMatch(/^\d+$/)
    const again = await post('hello\n', { 'Content-Type': 'application/json' })
    expect([again.status, again.json, again.headers.get('location')]).toEqual([200, first.json, `/v1/blobs/${id}`])
    expect(files().filter((name) => name.startsWith(sha256('hello\n')))).toHaveLength(1)
    const { items } = (await app.ask(`GET /v1/streams/blob-${id}`)).json
    expect(items).toHaveLength(1)
    expect(items[0]).toMatchObject({
      type: 'BlobStored',
      data: { size: 6, contentType: 'text/plain; charset=utf-8' },
      metadata: { actor: { principal: 'anonymous', face: null, address: '127.0.0.1' } },
    })
  })

  test.each([
    ['no type', undefined, 'application/octet-stream'],
    ['JSON that is none', 'application/json', 'application/json'],
    ['a form', 'application/x-www-form-urlencoded', 'application/x-www-form-urlencoded'],
  ])('may have %s', async (_name, type, shown) => {
    const content = randomBytes(70_000)
    const { sent, answer } = opened(type === undefined ? {} : { 'Content-Type': type })
    sent.end(content)
    expect((await answer).json).toMatchObject({ id: blobIdOf(sha256(content)), size: 70_000, contentType: shown })
    const got = await fetch(`${app.url}/v1/blobs/${blobIdOf(sha256(content))}`)
    expect(got.headers.get('content-type')).toBe(shown)
    expect(Buffer.from(await got.arrayBuffer()).equals(content)).toBe(true)
  })

  test('may be empty', async () => {
    const { status, json } = await app.ask('POST /v1/blobs')
    expect([status, json.size, json.id]).toEqual([201, 0, blobIdOf(sha256(''))])
    const got = await app.ask(`GET /v1/blobs/${json.id}`)
    expect([got.status, got.text, got.headers.get('content-length')]).toEqual([200, '', '0'])
    const part = await app.ask(`GET /v1/blobs/${json.id}`, { headers: { Range: 'bytes=0-' } })
    expect([part.status, part.headers.get('content-range')]).toEqual([416, 'bytes */0'])
    const last = await app.ask(`GET /v1/blobs/${json.id}`, { headers: { Range: 'bytes=-5' } })
    expect([last.status, last.text]).toEqual([200, ''])
  })

  test('of the same bytes by many at once is one blob, of which one is told that it is new', async () => {
    const content = randomBytes(50_000)
    const answers = await Promise.all(Array.from({ length: 8 }, () => post(content)))
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(7).fill(200), 201])
    expect(files().filter((name) => name.startsWith(sha256(content)))).toHaveLength(1)
  })

  test.each([
    ['the right digest', digestOf('digest'), 201],
    ['several, one of them ours', `sha-512=:${Buffer.alloc(64).toString('base64')}:, ${digestOf('digest')}`, 200],
    ['another algorithm', `sha-512=:${Buffer.alloc(64).toString('base64')}:`, 200],
  ])('with %s is taken', async (_name, digest, status) => {
    expect((await post('digest', { 'Repr-Digest': digest })).status).toBe(status)
  })

  test('with the digest of other bytes leaves nothing', async () => {
    const before = files()
    const refused = await post('other bytes', { 'Repr-Digest': digestOf('bytes') })
    expect(problem(refused)).toEqual(isProblem('digest-mismatch', 400))
    expect(files()).toEqual(before)
    expect((await app.ask(`GET /v1/blobs/${blobIdOf(sha256('other bytes'))}`)).status).toBe(404)
  })

  test.each([
    ['a malformed digest', { 'Repr-Digest': 'sha-256=abc' }, '', 'invalid', 400],
    ['a digest of another length', { 'Repr-Digest': 'sha-256=:YWJj:' }, '', 'invalid', 400],
    ['a type that is too long', { 'Content-Type': `text/${'x'.repeat(300)}` }, '', 'invalid', 400],
    ['an encoding', { 'Content-Encoding': 'gzip' }, '', 'unsupported-media-type', 415],
    ['an unknown parameter', {}, '?name=x', 'invalid', 400],
  ])('with %s is refused', async (_name, headers, query, slug, status) => {
    const refused = await app.ask(`POST /v1/blobs${query}`, { raw: 'refused', headers })
    expect(problem(refused)).toEqual(isProblem(slug, status))
    expect((await app.ask(`GET /v1/blobs/${blobIdOf(sha256('refused'))}`)).status).toBe(404)
  })

  test('is taken up to MAX_BLOB_BYTES, whether its length is announced or not', async () => {
    const before = files()
    const over = randomBytes(limit + 1)
    const announced = await post(over)
    expect(problem(announced)).toEqual(isProblem('too-large', 413))
    const { sent, answer } = opened({})
    sent.end(over)
    expect(problem(await answer)).toEqual(isProblem('too-large', 413))
    expect(files()).toEqual(before)
    expect((await post(over.subarray(1))).status).toBe(201)
  })

  test('that is cut off leaves nothing', async () => {
    const before = files()
    for (const headers of [{ 'Content-Length': 100_000 }, {}]) {
      const { sent, answer } = opened(headers)
      sent.write(randomBytes(60_000))
      await expect.poll(() => files().length, { timeout: 20_000 }).toBe(before.length + 1)
      sent.destroy()
      await expect(answer).rejects.toThrow()
      await expect.poll(files, { timeout: 20_000 }).toEqual(before)
    }
  })

  test('that stops moving is given up with 408, and leaves nothing', async () => {
    const before = files()
    const { sent, answer } = opened({ 'Content-Length': 100_000 })
    sent.write(randomBytes(60_000))
    const refused = await answer
    expect(problem(refused)).toEqual(isProblem('request-timeout', 408))
    expect(refused.headers.get('connection')).toBe('close')
    expect(files()).toEqual(before)
  })

  test('that moves may take longer than any pause may', async () => {
    const content = randomBytes(40)
    const { sent, answer } = opened({ 'Content-Length': 40 })
    for (const byte of content) {
      sent.write(Buffer.from([byte]))
      await systemClock.sleep(50)
    }
    expect((await answer).json).toMatchObject({ id: blobIdOf(sha256(content)), size: 40 })
  })
})

describe('under an Idempotency-Key', () => {
  const key = { 'Idempotency-Key': 'one' }

  test('the answer is given again, and other bytes are refused', async () => {
    const first = await post('under a key', key)
    const again = await post('under a key', key)
    expect([first.status, again.status, again.json]).toEqual([201, 201, first.json])
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect(problem(await post('other bytes under the key', key))).toEqual(isProblem('key-reused', 422))
    expect(files().filter((name) => name.startsWith(sha256('under a key')))).toHaveLength(1)
    expect(files().filter((name) => name.startsWith(sha256('other bytes under the key')))).toEqual([])
  })
})

describe('the bytes', () => {
  const content = Buffer.from('0123456789')
  let path = ''
  beforeAll(async () => {
    path = (await post(content, { 'Content-Type': 'text/html' })).headers.get('location') ?? ''
  })

  test('come with type, length, tag and digest, and are no page of this server', async () => {
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, text } = await app.ask(`${method} ${path}`)
      expect([status, text]).toEqual([200, method === 'GET' ? '0123456789' : ''])
      expect(Object.fromEntries(headers)).toMatchObject({
        'content-type': 'text/html',
        'content-length': '10',
        'accept-ranges': 'bytes',
        'content-disposition': 'attachment',
        'x-content-type-options': 'nosniff',
        'repr-digest': digestOf(content),
        etag: '"0"',
      })
    }
  })

  test.each([
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=0-0', '0', 'bytes 0-0/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=7-999', '789', 'bytes 7-9/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=-999', '0123456789', 'bytes 0-9/10'],
    ['BYTES=1-1', '1', 'bytes 1-1/10'],
    [`bytes=7-${'9'.repeat(20)}`, '789', 'bytes 7-9/10'],
    [`bytes=-${'9'.repeat(20)}`, '0123456789', 'bytes 0-9/10'],
  ])('in part: %s', async (range, text, contentRange) => {
    const part = await app.ask(`GET ${path}`, { headers: { Range: range } })
    expect([part.status, part.text, part.headers.get('content-range')]).toEqual([206, text, contentRange])
    expect(part.headers.get('content-length')).toBe(String(text.length))
    expect([part.headers.get('content-type'), part.headers.get('etag')]).toEqual(['text/html', '"0"'])
  })

  test.each(['bytes=10-', 'bytes=10-20', 'bytes=-0', 'bytes=999999999999-', `bytes=${'9'.repeat(20)}-`])(
    '%s is not there',
    async (range) => {
      const refused = await app.ask(`GET ${path}`, { headers: { Range: range } })
      expect(problem(refused)).toEqual(isProblem('range-not-satisfiable', 416))
      expect(refused.headers.get('content-range')).toBe('bytes */10')
    },
  )

  test.each(['bytes=4-2', 'bytes=a-b', 'lines=1-2', 'bytes=', 'bytes=-', 'bytes=0-1,3-4', 'bytes 0-1'])(
    '%s may be ignored: the whole',
    async (range) => {
      const whole = await app.ask(`GET ${path}`, { headers: { Range: range } })
      expect([whole.status, whole.text]).toEqual([200, '0123456789'])
    },
  )

  test('a part is given while the tag is the same; HEAD has no parts', async () => {
    const headers = (ifRange: string) => ({ Range: 'bytes=0-1', 'If-Range': ifRange })
    expect((await app.ask(`GET ${path}`, { headers: headers('"0"') })).status).toBe(206)
    for (const other of ['"1"', 'W/"0"', 'Tue, 01 Dec 2026 00:00:00 GMT'])
      expect((await app.ask(`GET ${path}`, { headers: headers(other) })).status).toBe(200)
    expect((await app.ask(`HEAD ${path}`, { headers: { Range: 'bytes=0-1' } })).headers.get('content-length')).toBe('10')
  })

  test('are not sent to whom has them', async () => {
    const known = await app.ask(`GET ${path}`, { headers: { 'If-None-Match': '"0"', Range: 'bytes=0-1' } })
    expect([known.status, known.text, known.headers.get('etag')]).toEqual([304, '', '"0"'])
  })

  test('are closed when the client goes away', async () => {
    const { location } = Object.fromEntries((await post(randomBytes(limit))).headers)
    const descriptors = () => readdirSync('/proc/self/fd').length
    const before = descriptors()
    for (let n = 0; n < 20; n++) {
      const leaving = new AbortController()
      await fetch(`${app.url}${location}`, { signal: leaving.signal }).then(({ body }) => body?.getReader().read())
      leaving.abort()
    }
    await expect.poll(descriptors, { timeout: 20_000 }).toBeLessThan(before + 15)
  })

  test.each(['sha256-00', blobIdOf('0'.repeat(64)), '..%2f..%2flog.db', 'x'.repeat(3_000)])('of %s are not there', async (id) => {
    for (const method of ['GET', 'DELETE'])
      expect(problem(await app.ask(`${method} /v1/blobs/${id}`))).toEqual(isProblem('not-found', 404))
  })
})

test('a file that is damaged is a problem, and the same bytes again mend it', async () => {
  const content = randomBytes(1_000)
  const { json, headers } = await post(content)
  const path = `/v1/blobs/${json.id}`
  truncateSync(fileOf(json.id), 10)
  expect(problem(await app.ask(`GET ${path}`))).toEqual(isProblem('damaged', 500))
  rmSync(fileOf(json.id))
  expect(problem(await app.ask(`GET ${path}`))).toEqual(isProblem('damaged', 500))
  expect((await post(content)).status).toBe(201)
  const got = await app.ask(`GET ${path}`, { headers: { 'Event-Position': headers.get('event-position') ?? '' } })
  expect([got.status, got.headers.get('content-length'), got.headers.get('etag')]).toEqual([200, '1000', '"1"'])
})

describe('the list', () => {
  test('shows the newest first and goes on at its cursor while others come', async () => {
    const made: string[] = []
    for (const n of [1, 2, 3]) made.unshift((await post(`listed ${n}`)).json.id)
    const first = (await app.ask('GET /v1/blobs?limit=2')).json
    await post('listed meanwhile')
    const second = (await app.ask(`GET /v1/blobs?limit=1&cursor=${first.next}`)).json
    expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(made)
    expect(Object.keys(first.items[0])).toEqual(['id', 'size', 'contentType', 'createdAt'])
    const whole = (await app.ask('GET /v1/blobs?limit=1000')).json
    expect(whole.next).toBeNull()
  })

  test.each(['limit=0', 'cursor=x', 'unused=maybe', 'name=x', 'unused=true&unused=true'])('?%s is invalid', async (query) => {
    expect(problem(await app.ask(`GET /v1/blobs?${query}`))).toEqual(isProblem('invalid', 400))
  })
})

describe('a deletion', () => {
  const unused = async (): Promise<readonly string[]> =>
    (await app.ask('GET /v1/blobs?unused=true&limit=1000')).json.items.map(({ id }: { id: string }) => id)

  test('is on the record, removes the file, and the same bytes are a new blob then', async () => {
    const { json } = await post('to be deleted')
    const path = `/v1/blobs/${json.id}`
    const deleted = await app.ask(`DELETE ${path}`)
    expect([deleted.status, deleted.text]).toEqual([204, ''])
    expect(files().filter((name) => name.startsWith(sha256('to be deleted')))).toEqual([])
    for (const method of ['GET', 'DELETE']) expect((await app.ask(`${method} ${path}`)).status).toBe(404)
    expect((await app.ask('GET /v1/blobs?limit=1000')).text).not.toContain(json.id)
    const { items } = (await app.ask(`GET /v1/streams/blob-${json.id}`)).json
    expect(items.map(({ type }: { type: string }) => type)).toEqual(['BlobStored', 'BlobDeleted'])
    expect(items[1].position).toBe(deleted.headers.get('event-position'))
    const before = await app.ask(`GET ${path}?asOf=${items[0].position}`)
    expect(problem(before)).toEqual(isProblem('not-found', 404))
    expect((await app.ask(`GET /v1/blobs?asOf=${items[0].position}`)).text).toContain(json.id)
    const anew = await post('to be deleted', { 'Content-Type': 'text/plain' })
    expect([anew.status, anew.json.contentType]).toEqual([201, 'text/plain'])
    expect((await app.ask(`GET ${path}`)).headers.get('etag')).toBe('"2"')
  })

  test('waits until every operation that has the blob among its files has ended', async () => {
    const { id } = (await post('in use')).json
    expect(await unused()).toContain(id)
    const submitted = await app.ask('POST /v1/operations', { body: { kind: 'reader', input: { file: id } } })
    expect(submitted.status).toBe(202)
    const refused = await app.ask(`DELETE /v1/blobs/${id}`)
    expect(problem(refused)).toEqual(isProblem('in-use', 409))
    expect(refused.json.operationId).toBe(submitted.json.id)
    expect(await unused()).not.toContain(id)
    await app.ask(`POST /v1/operations/${submitted.json.id}/cancel`)
    await app.ask(`GET /v1/operations/${submitted.json.id}?wait=20`)
    expect(await unused()).toContain(id)
    expect((await app.ask(`DELETE /v1/blobs/${id}`)).status).toBe(204)
  })

  test('beside the request for an operation that has it among its files: one of the two is refused', async () => {
    for (let n = 0; n < 20; n++) {
      const { id } = (await post(`asked for and deleted ${n}`)).json
      const items = [{ kind: 'reader', input: { file: id } }]
      const asking =
        n % 2 === 0
          ? app.ask('POST /v1/operations', { body: items[0] })
          : app.ask('POST /v1/operations:batch', { body: { items } })
      const [submitted, deleted] = await Promise.all([asking, app.ask(`DELETE /v1/blobs/${id}`)])
      expect([
        [202, 409],
        [400, 204],
      ]).toContainEqual([submitted.status, deleted.status])
      if (submitted.status === 202) await app.ask(`POST /v1/operations/${submitted.json.id ?? submitted.json.items[0].id}/cancel`)
    }
  })

  test('of what an operation asks for makes it invalid', async () => {
    const file = blobIdOf(sha256('never stored'))
    const refused = await app.ask('POST /v1/operations', { body: { kind: 'reader', input: { file } } })
    expect(problem(refused)).toEqual(isProblem('invalid', 400))
    expect(refused.json.errors).toEqual([{ pointer: '/input/file', message: `there is no blob ${file}` }])
  })

  test('is pinned by If-Match', async () => {
    const { id } = (await post('pinned')).json
    const other = await app.ask(`DELETE /v1/blobs/${id}`, { headers: { 'If-Match': '"7"' } })
    expect(problem(other)).toEqual(isProblem('version-mismatch', 412))
    expect((await app.ask(`DELETE /v1/blobs/${id}`, { headers: { 'If-Match': '"0"' } })).status).toBe(204)
  })
})
