import { spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { work } from '../workers/engine.ts'
import { isProblem, problem, startApp, type TestApp } from './app.ts'
import { follow } from './follow.ts'

const Input = z.object({
  said: z.array(z.tuple([z.enum(['stdout', 'stderr']), z.string(), z.number().default(1)])),
  /** Says `bye` and ends when it is cancelled. */
  stays: z.boolean().optional(),
})

const printer = work(
  'test.print',
  async ({ said, stays }: z.infer<typeof Input>, { output, signal }) => {
    for (const [stream, text, times] of said) for (let n = 0; n < times; n++) await output(text, stream)
    if (stays === true) {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      await output('bye\n')
      signal.throwIfAborted()
    }
    return null
  },
  { input: Input },
)

const Script = z.object({ script: z.string(), password: z.string().meta({ secret: true }) })

const shell = work(
  'test.shell',
  async ({ script, password }: z.infer<typeof Script>, { pipe }) => {
    const child = spawn('sh', ['-c', script], { env: { PATH: process.env.PATH, PASSWORD: password } })
    await Promise.all([pipe(child.stdout, 'stdout'), pipe(child.stderr, 'stderr')])
    return null
  },
  { input: Script },
)

let it: TestApp
beforeAll(async () => {
  it = await startApp({}, { works: [printer as never, shell as never] })
})
afterAll(() => it.stop())

type Said = z.input<typeof Input>['said']
const print = async (said: Said): Promise<string> =>
  (
    await it.ask('POST /v1/operations', {
      body: { kind: 'test.print', input: { said } },
      headers: { Prefer: 'wait=20' },
    })
  ).json.id
const printAndStay = async (said: Said): Promise<string> =>
  (await it.ask('POST /v1/operations', { body: { kind: 'test.print', input: { said, stays: true } } })).json.id
const get = (id: string, query = '', headers = {}) => it.ask(`GET /v1/operations/${id}/output${query}`, { headers })
const ndjson = { Accept: 'application/x-ndjson' }
const linesOf = (text: string) =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
const headersOf = ({ headers }: { readonly headers: Headers }) => [
  headers.get('output-next-offset'),
  headers.get('output-complete'),
]
const mixed: Said = [
  ['stdout', 'one\n'],
  ['stderr', 'zwei ü\n'],
  ['stdout', 'three\nfour'],
]
const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

describe('text', () => {
  test('has both streams in order of arrival, or one', async () => {
    const id = await print(mixed)
    expect((await get(id)).text).toBe('one\nzwei ü\nthree\nfour')
    const out = await get(id, '?stream=stdout')
    expect([out.text, ...headersOf(out)]).toEqual(['one\nthree\nfour', '22', 'true'])
    const error = await get(id, '?stream=stderr')
    expect([error.text, ...headersOf(error)]).toEqual(['zwei ü\n', '22', 'true'])
    expect(error.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  })

  test('of one stream is read on at places of the whole', async () => {
    const id = await print(mixed)
    const first = await get(id, '?stream=stdout&limit=7')
    expect([first.text, ...headersOf(first)]).toEqual(['one\nthr', '15', 'false'])
    const second = await get(id, '?stream=stdout&offset=15')
    expect([second.text, ...headersOf(second)]).toEqual(['ee\nfour', '22', 'true'])
    const inside = await get(id, '?stream=stderr&offset=6&limit=3')
    expect([inside.text, ...headersOf(inside)]).toEqual(['ei ', '9', 'false'])
  })

  test.each([
    ['lastLines=1', 'four'],
    ['lastLines=2', 'three\nfour'],
    ['lastLines=3&limit=6', 'zwei '],
    ['lastLines=10000', 'one\nzwei ü\nthree\nfour'],
    ['lastLines=2&stream=stdout', 'three\nfour'],
    ['lastLines=1&stream=stderr', 'zwei ü\n'],
  ])('%s', async (query, text) => {
    expect((await get(await print(mixed), `?${query}`)).text).toBe(text)
  })

  test.each([
    ['lastLines=3&offset=0', '?lastLines'],
    ['lastLines=0', '?lastLines'],
    ['lastLines=10001', '?lastLines'],
    ['stream=both', '?stream'],
    ['stream=stdout&stream=stderr', '?stream'],
    ['offset=-1', '?offset'],
    ['limit=1048577', '?limit'],
    ['lines=3', '?lines'],
  ])('%s is refused', async (query, pointer) => {
    const refused = await get(await print([]), `?${query}`)
    expect(problem(refused)).toEqual(isProblem('invalid', 400))
    expect(refused.json.errors).toEqual([{ pointer, message: expect.any(String) }])
  })

  test('of one stream is waited for while the other one speaks', async () => {
    const id = await printAndStay([['stderr', 'busy\n']])
    const waiting = get(id, '?stream=stdout&wait=30')
    await get(id, '?stream=stderr&wait=30')
    await it.ask(`POST /v1/operations/${id}/cancel`)
    expect((await waiting).text).toBe('bye\n')
  })
})

test('a program is piped: characters and secrets come in pieces', async () => {
  const script = `printf 'caf\\303'; sleep 0.05; printf '\\251 %s' "\${PASSWORD%%-*}"; sleep 0.05; echo "-\${PASSWORD#*-}"; echo "no $PASSWORD" >&2`
  const body = { kind: 'test.shell', input: { script, password: 'pässwörd-4711' } }
  const { id } = (await it.ask('POST /v1/operations', { body, headers: { Prefer: 'wait=20' } })).json
  expect((await get(id, '?stream=stdout')).text).toBe('café ***\n')
  expect((await get(id, '?stream=stderr')).text).toBe('no ***\n')
})

describe('Accept', () => {
  test.each([
    [undefined, 'text/plain; charset=utf-8'],
    ['*/*', 'text/plain; charset=utf-8'],
    ['text/*', 'text/plain; charset=utf-8'],
    ['application/*', 'application/x-ndjson'],
    ['text/plain;q=0.5, application/x-ndjson', 'application/x-ndjson'],
  ])('%s gets %s', async (accept, type) => {
    const answer = await get(await print([]), '', accept === undefined ? {} : { Accept: accept })
    expect([answer.status, answer.headers.get('content-type'), answer.headers.get('vary')]).toEqual([200, type, 'Accept'])
  })

  test.each(['application/json', 'text/html', 'image/png'])('%s is not offered', async (accept) => {
    expect(problem(await get(await print([]), '', { Accept: accept }))).toEqual(isProblem('not-acceptable', 406))
  })

  test('an unknown operation is not found in any type', async () => {
    for (const accept of ['text/plain', 'application/x-ndjson', 'text/event-stream'])
      expect(problem(await get('019ab2c4-0000-7000-8000-000000000000', '', { Accept: accept }))).toEqual(
        isProblem('not-found', 404),
      )
  })
})

describe('NDJSON', () => {
  test('has a line for each chunk', async () => {
    const answer = await get(await print(mixed), '', ndjson)
    expect(linesOf(answer.text)).toEqual([
      { offset: 0, stream: 'stdout', at, text: 'one\n' },
      { offset: 4, stream: 'stderr', at, text: 'zwei ü\n' },
      { offset: 12, stream: 'stdout', at, text: 'three\nfour' },
    ])
    expect(headersOf(answer)).toEqual(['22', 'true'])
  })

  test.each([
    ['offset=10', [{ offset: 11, stream: 'stderr', at, text: '\n' }, { offset: 12 }], '22'],
    ['offset=99', [], '99'],
    ['lastLines=1', [{ offset: 18, stream: 'stdout', at, text: 'four' }], '22'],
    ['stream=stderr', [{ offset: 4, stream: 'stderr', at, text: 'zwei ü\n' }], '22'],
    [
      'offset=2&limit=5',
      [
        { offset: 2, text: 'e\n' },
        { offset: 4, text: 'zwe' },
      ],
      '7',
    ],
  ])('%s', async (query, lines, next) => {
    const answer = await get(await print(mixed), `?${query}`, ndjson)
    expect(linesOf(answer.text)).toMatchObject(lines)
    expect(headersOf(answer)[0]).toBe(next)
  })

  test('is whole, however much there is, and the same as of its position', async () => {
    const id = await print([
      ['stdout', `${'x'.repeat(999)}\n`, 3_000],
      ['stderr', 'end\n'],
    ])
    const now = await get(id, '', ndjson)
    const text = linesOf(now.text).map((line) => line.text)
    expect(text.join('')).toBe(`${`${'x'.repeat(999)}\n`.repeat(3_000)}end\n`)
    expect(headersOf(now)).toEqual(['3000004', 'true'])
    const past = await get(id, `?asOf=${now.headers.get('event-position')}`, ndjson)
    expect(past.text === now.text).toBe(true)
    expect(past.headers.get('vary')).toBe('Accept')
    const head = await it.ask(`HEAD /v1/operations/${id}/output`, { headers: ndjson })
    expect([head.status, head.text, ...headersOf(head)]).toEqual([200, '', '3000004', 'true'])
  })
})

describe('an event stream', () => {
  const open = (id: string, query = '', headers = {}) => follow(`${it.url}/v1/operations/${id}/output${query}`, headers)
  const isEnd = ({ event }: { event: string }) => event === 'end'

  test('gives what is there, goes on, says how the operation ended, and closes', async () => {
    const id = await printAndStay(mixed)
    const stream = await open(id)
    expect(stream.response.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'x-accel-buffering': 'no',
      connection: 'close',
    })
    expect(await stream.take(3)).toEqual([
      { id: '4', event: 'stdout', data: 'one\n' },
      { id: '12', event: 'stderr', data: 'zwei ü\n' },
      { id: '22', event: 'stdout', data: 'three\nfour' },
    ])
    await it.ask(`POST /v1/operations/${id}/cancel`)
    expect(await stream.until(isEnd)).toEqual([
      { id: '26', event: 'stdout', data: 'bye\n' },
      { id: undefined, event: 'end', data: { state: 'cancelled' } },
    ])
    await expect(stream.take(1)).rejects.toThrow('the stream ended')
    await expect.poll(() => stream.response.socket.destroyed).toBe(true)
  })

  test('of an operation that has ended is given at once', async () => {
    const stream = await open(await print(mixed), '?stream=stdout')
    expect((await stream.until(isEnd)).map(({ id, data }) => [id, data])).toEqual([
      ['4', 'one\n'],
      ['22', 'three\nfour'],
      [undefined, { state: 'succeeded' }],
    ])
  })

  test('goes on where Last-Event-ID says, whatever offset and lastLines say', async () => {
    const id = await print(mixed)
    for (const query of ['?offset=0', '?lastLines=3']) {
      const stream = await open(id, query, { 'Last-Event-ID': '12' })
      expect((await stream.take(1))[0]).toEqual({ id: '22', event: 'stdout', data: 'three\nfour' })
      stream.close()
    }
    const ended = await open(id, '', { 'Last-Event-ID': '22' })
    expect(await ended.take(1)).toEqual([{ id: undefined, event: 'end', data: { state: 'succeeded' } }])
  })

  test('begins some lines before the end', async () => {
    const id = await printAndStay(mixed)
    await get(id, '?offset=21&wait=30')
    const stream = await open(id, '?lastLines=1')
    expect((await stream.take(1))[0]).toEqual({ id: '22', event: 'stdout', data: 'four' })
    await it.ask(`POST /v1/operations/${id}/cancel`)
    expect((await stream.until(isEnd)).length).toBe(2)
  })

  test('leaves nothing out for a client that reads slowly', async () => {
    const text = `${'x'.repeat(999)}\n`
    const id = await printAndStay([['stdout', text, 7_000]])
    const stream = await open(id)
    await stream.take(1)
    stream.response.pause()
    await get(id, '?offset=6999999&wait=60')
    stream.response.resume()
    await it.ask(`POST /v1/operations/${id}/cancel`)
    const all = await stream.until(isEnd)
    expect(all.at(-2)?.id).toBe('7000004')
  })

  test.each([
    ['?limit=5', {}],
    ['?wait=5', {}],
    ['?offset=1&lastLines=1', {}],
    ['', { 'Last-Event-ID': 'banana' }],
  ])('%s %o is refused', async (query, headers) => {
    const answer = await get(await print([]), query, { Accept: 'text/event-stream', ...headers })
    expect(problem(answer)).toEqual(isProblem('invalid', 400))
  })

  test('has no past', async () => {
    const answer = await get(await print([]), '?asOf=0', { Accept: 'text/event-stream' })
    expect(problem(answer)).toEqual(isProblem('moment-unknown', 400))
  })

  test('answers HEAD without a body', async () => {
    const answer = await it.ask(`HEAD /v1/operations/${await print(mixed)}/output`, {
      headers: { Accept: 'text/event-stream' },
    })
    expect([answer.status, answer.headers.get('content-type'), answer.text]).toEqual([200, 'text/event-stream', ''])
  })

  test('ends when the server goes down', async () => {
    const other = await startApp({ SHUTDOWN_GRACE_MS: '400' }, { works: [printer as never] })
    const { json } = await other.ask('POST /v1/operations', {
      body: { kind: 'test.print', input: { said: mixed, stays: true } },
    })
    const stream = await follow(`${other.url}/v1/operations/${json.id}/output`)
    await stream.take(1)
    const rest = expect(stream.until(() => false)).rejects.toThrow('the stream ended')
    await other.stop()
    await rest
  })
})
