import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import type { HttpContext } from '../../../src/http/faces/http-context.ts'
import { readJsonOfAnyType } from '../../../src/http/reading/body.ts'
import { createBodyBudget } from '../../../src/http/reading/body-budget.ts'
import { readForm, readUrlencoded, withQuery } from '../../../src/http/reading/forms.ts'
import { type FilePart, readMultipart } from '../../../src/http/reading/multipart.ts'
import { systemClock as clock } from '../../../src/lib/clock.ts'
import { sha256 } from '../../../src/lib/ids.ts'
import { openUploads } from '../../../src/stores/embedded/blobs/uploads.ts'
import { temporaryDirectory } from '../../stores/temporary.ts'

interface Sent {
  readonly body: string | Uint8Array
  readonly type?: string
  readonly query?: string
  /** Sends this much of the body and goes away. */
  readonly cutAt?: number
}

/** What `read` makes of a request that comes over a socket. */
const reading = async <Result>(
  read: (c: HttpContext) => Promise<Result>,
  { body, type, query = '', cutAt }: Sent,
): Promise<Result> => {
  const server = createServer()
  onTestFinished(() => void server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const headers: Record<string, string | number> = { 'Content-Length': Buffer.byteLength(body) }
  if (type !== undefined) headers['Content-Type'] = type
  const { port } = server.address() as AddressInfo
  const sent = request({ port, host: '127.0.0.1', method: 'POST', headers })
  sent.on('error', () => undefined)
  if (cutAt === undefined) sent.end(body)
  else sent.write(Buffer.from(body).subarray(0, cutAt), () => sent.destroy())
  const [incoming, outgoing] = (await once(server, 'request')) as [IncomingMessage, { end(): void }]
  const bodies = createBodyBudget(1_000_000)
  const limits = { maxBodyBytes: 100_000, bodies, heldBytes: 0, bodyIdleMs: 20_000 }
  const c = { incoming, headers: incoming.headers, query, clock, ...limits } as unknown as HttpContext
  try {
    return await read(c)
  } finally {
    outgoing.end()
  }
}

const urlencoded = 'application/x-www-form-urlencoded'
const multipart = (parts: readonly (readonly [head: string, content: string | Uint8Array])[]): Sent => ({
  type: 'multipart/form-data; boundary=xYx',
  body: Buffer.concat([
    ...parts.flatMap(([head, content]) => [
      Buffer.from(`--xYx\r\nContent-Disposition: form-data; ${head}\r\n\r\n`),
      Buffer.from(content),
      Buffer.from('\r\n'),
    ]),
    Buffer.from('--xYx--\r\n'),
  ]),
})
const pairs = (read: (c: HttpContext) => Promise<URLSearchParams>, sent: Sent) =>
  reading(read, sent).then((fields) => [...fields])

test.each<[string, Sent, string[][]]>([
  [
    'urlencoded',
    { type: urlencoded, body: 'a=1&b=x+y&a=%C3%BC' },
    [
      ['a', '1'],
      ['b', 'x y'],
      ['a', 'ü'],
    ],
  ],
  ['without a type', { body: 'a=1' }, [['a', '1']]],
  [
    'with blank values and bare names',
    { type: urlencoded, body: 'a=&b' },
    [
      ['a', ''],
      ['b', ''],
    ],
  ],
  ['with invalid UTF-8', { type: urlencoded, body: 'a=%FF' }, [['a', '\uFFFD']]],
  ['of another type', { type: 'application/json', body: '{"a":1}' }, []],
  [
    'multipart',
    multipart([
      ['name="a"', '1'],
      ['name="b"', 'x\r\ny'],
      ['name="a"', 'ü'],
    ]),
    [
      ['a', '1'],
      ['b', 'x\r\ny'],
      ['a', 'ü'],
    ],
  ],
  [
    'multipart with a file, which is passed over',
    multipart([
      ['name="f"; filename="x"', 'file'],
      ['name="a"', '1'],
    ]),
    [['a', '1']],
  ],
])('a form %s', async (_name, sent, fields) => expect(await pairs(readForm, sent)).toEqual(fields))

test('the values of the body come before those of the query', async () => {
  const merged = await reading(async (c) => withQuery(c, await readForm(c)), { type: urlencoded, body: 'a=1', query: 'a=2&b=3' })
  expect(merged.getAll('a')).toEqual(['1', '2'])
  expect(merged.get('b')).toBe('3')
})

test('what is urlencoded and what is JSON is read whatever its type says', async () => {
  expect(await pairs(readUrlencoded, { type: 'text/plain', body: 'a=1' })).toEqual([['a', '1']])
  expect(await reading(readJsonOfAnyType, { type: 'text/plain', body: '{"a":1}' })).toEqual({ a: 1 })
  expect(await reading((c) => readJsonOfAnyType(c, true), { body: '' })).toEqual({})
  for (const body of ['', '[]', '1', 'null', '{'])
    await expect(reading(readJsonOfAnyType, { body })).rejects.toMatchObject({ slug: 'invalid' })
})

test.each<[string, Sent, string]>([
  ['too many fields', { type: urlencoded, body: '&'.repeat(1_000) }, 'invalid'],
  ['too many parts', multipart(Array(1_001).fill(['name="a"', ''])), 'invalid'],
  ['a name that is too long', multipart([[`name="${'x'.repeat(201)}"`, '']]), 'invalid'],
  [
    'fields that are too long',
    multipart([
      ['name="a"', 'x'.repeat(60_000)],
      ['name="b"', 'x'.repeat(40_001)],
    ]),
    'too-large',
  ],
  ['no boundary', { type: 'multipart/form-data', body: 'x' }, 'invalid'],
  [
    'no end',
    { type: 'multipart/form-data; boundary=xYx', body: '--xYx\r\nContent-Disposition: form-data; name="a"\r\n\r\nx' },
    'invalid',
  ],
])('a form with %s is refused', async (_name, sent, slug) => {
  await expect(reading(readForm, sent)).rejects.toMatchObject({ slug })
})

test('the fields of a form are limited together, however large its files may be', async () => {
  const sent = multipart([
    ['name="a"', 'x'.repeat(60_000)],
    ['name="b"', 'x'.repeat(40_001)],
  ])
  const read = (c: HttpContext) => readMultipart(c, { maxBytes: 1_000_000 })
  await expect(reading(read, sent)).rejects.toMatchObject({ slug: 'too-large' })
})

test('a file of a form goes into a store as it comes; the fields around it are read', async () => {
  const uploads = openUploads(join(temporaryDirectory(), 'uploads'))
  const content = randomBytes(3_000_000)
  const parts: unknown[] = []
  const onFile = async ({ name, fileName, type, content }: FilePart) => {
    const received = await uploads.receive(content)
    parts.push({ name, fileName, type, sha256: received.sha256 })
  }
  const sent = multipart([
    ['name="before"', '1'],
    ['name="file"; filename="a.tgz"', content],
    ['name="after"', '2'],
  ])
  expect(await pairs((c) => readMultipart(c, { maxBytes: 10_000_000, onFile }), sent)).toEqual([
    ['before', '1'],
    ['after', '2'],
  ])
  expect(parts).toEqual([{ name: 'file', fileName: 'a.tgz', type: 'text/plain', sha256: sha256(content) }])
})

test('a file that is cut off, or too large, or whose reader fails, is given up', async () => {
  const uploads = openUploads(join(temporaryDirectory(), 'uploads'))
  const sent = multipart([['name="file"; filename="x"', randomBytes(2_000_000)]])
  const onFile = async ({ content }: FilePart) => void (await uploads.receive(content))
  await expect(
    reading((c) => readMultipart(c, { maxBytes: 5_000_000, onFile }), { ...sent, cutAt: 1_000_000 }),
  ).rejects.toMatchObject({ slug: 'invalid' })
  await expect(reading((c) => readMultipart(c, { maxBytes: 1_000_000, onFile }), sent)).rejects.toMatchObject({
    slug: 'too-large',
  })
  expect(await uploads.inDoubt(0)).toEqual([])
  const failing = async ({ content }: FilePart): Promise<void> => {
    expect((await text(content)).length).toBeGreaterThan(0)
    throw new Error('the archive is no archive')
  }
  await expect(reading((c) => readMultipart(c, { maxBytes: 5_000_000, onFile: failing }), sent)).rejects.toThrow('no archive')
})

test('a file that nobody reads, or whose reader gives up at once, harms nobody', async () => {
  const sent = multipart([['name="file"; filename="x"', randomBytes(2_000_000)]])
  await expect(reading((c) => readMultipart(c, { maxBytes: 5_000_000 }), { ...sent, cutAt: 1_000_000 })).rejects.toMatchObject({
    slug: 'invalid',
  })
  const refusing = (): Promise<void> => Promise.reject(new Error('no files here'))
  await expect(reading((c) => readMultipart(c, { maxBytes: 5_000_000, onFile: refusing }), sent)).rejects.toThrow('no files here')
})
