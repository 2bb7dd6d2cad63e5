import { request } from 'node:http'
import { describe, expect, test } from 'vitest'
import { createBodyBudget } from '../../src/http/reading/body-budget.ts'
import { isProblem, problem, startApp, useApp } from './app.ts'

const echo = (bytes: number): string => {
  const [head, tail] = ['{"kind":"probe","input":{"echo":"', '"}}']
  return head + 'x'.repeat(bytes - head.length - tail.length) + tail
}
const json = { 'Content-Type': 'application/json' }

describe('the budget of bodies in work', () => {
  test('the first 16 KiB of a body are free, the rest counts until it is released', () => {
    const budget = createBodyBudget(100_000)
    const [one, two, three] = [{ heldBytes: 0 }, { heldBytes: 0 }, { heldBytes: 0 }]
    budget.hold(one, 16_384)
    expect(one.heldBytes).toBe(0)
    budget.hold(one, 16_384 + 50_000)
    budget.hold(two, 16_384 + 50_000)
    expect(() => budget.hold(three, 16_384 + 1)).toThrow('100000 bytes')
    budget.hold(three, 16_384)
    budget.release(one)
    budget.hold(three, 16_384 + 50_000)
    expect(() => budget.hold(two, 16_384 + 50_001)).toThrow('100000 bytes')
  })

  test('one body alone is always taken', () => {
    const [one, two] = [{ heldBytes: 0 }, { heldBytes: 0 }]
    const budget = createBodyBudget(1_000)
    budget.hold(one, 50_000)
    budget.hold(one, 500_000)
    expect(() => budget.hold(two, 20_000)).toThrow()
    budget.release(one)
    budget.hold(two, 500_000)
  })

  test('large bodies take turns, small ones do not wait', async () => {
    const budget = createBodyBudget(1_000)
    expect(budget.turn(1_000)).toBeUndefined()
    const order: string[] = []
    const turns = [budget.turn(100_000), budget.turn(100_000)].map((turn, at) => turn?.then(() => order.push(`body ${at}`)))
    await turns[0]
    await new Promise<void>((resolve) => setImmediate(() => resolve(void order.push('something else'))))
    await turns[1]
    expect(order[0]).toBe('body 0')
    expect(order).toHaveLength(3)
  })
})

test('above the budget large bodies are refused in the words of each face, small ones are taken; what ends gives its room back', async () => {
  const server = await startApp({ MAX_BODIES_BYTES: '200000' })
  const { port } = new URL(server.url)
  const slow = request({
    port,
    host: '127.0.0.1',
    method: 'POST',
    path: '/v1/operations',
    headers: { ...json, 'Content-Length': 300_000 },
  })
  slow.on('error', () => undefined)
  slow.write(echo(300_000).slice(0, 190_000))
  const large = () => server.ask('POST /v1/operations', { raw: echo(100_000), headers: json })
  const refused = await expect.poll(large, { timeout: 20_000 }).toMatchObject({ status: 503 }).then(large)
  expect(problem(refused)).toEqual(isProblem('overloaded', 503))
  expect(refused.headers.get('retry-after')).toBe('1')
  const feed = await server.ask('POST /feed', { raw: JSON.stringify({ appid: 'x'.repeat(100_000) }), headers: json })
  expect([feed.status, feed.json.status, feed.headers.get('retry-after')]).toEqual([500, 'FAILURE', '1'])
  expect((await server.probe()).status).toBe(202)
  expect((await server.ask('GET /livez')).status).toBe(200)
  slow.destroy()
  await expect.poll(large, { timeout: 20_000 }).toMatchObject({ status: 202 })
  await server.stop()
})

test('many large bodies of small members at once: each is answered, and all the members are kept', async () => {
  const server = await startApp({ MAX_BODIES_BYTES: '1000000' })
  const members = Array.from({ length: 20_000 }, (_, index) => ({ x: [index] }))
  const answers = await Promise.all(Array.from({ length: 12 }, () => server.probe({ echo: members }, {}, { Prefer: 'wait=60' })))
  for (const answer of answers) {
    expect([200, 202, 503]).toContain(answer.status)
    if (answer.status === 200) expect(answer.json.result.echo).toEqual(members)
  }
  expect(answers.some(({ status }) => status === 200)).toBe(true)
  await server.stop()
})

describe('MAX_BODY_BYTES is exact', () => {
  test.each([1_048_576, 3_000_000])('%d', async (limit) => {
    const server = await startApp({ MAX_BODY_BYTES: String(limit) })
    const sent = async (bytes: number) =>
      server.ask('POST /v1/operations', { raw: echo(bytes), headers: { ...json, Prefer: 'wait=60' } })
    const answer = await sent(limit)
    expect([answer.status, answer.json.state, answer.json.result.echo.length]).toEqual([200, 'succeeded', limit - 36])
    const over = await sent(limit + 1)
    expect(problem(over)).toEqual(isProblem('too-large', 413))
    expect(over.json.detail).toBe(`the body is over ${limit} bytes`)
    await server.stop()
  })

  test('what grows when it is recorded fits too', async () => {
    const server = await startApp({ MAX_BODY_BYTES: '100000' })
    const numbers = `{"kind":"probe","input":{"echo":[${'1e20,'.repeat(19_000)}1]}}`
    expect((await server.ask('POST /v1/operations', { raw: numbers, headers: json })).status).toBe(202)
    await server.stop()
  })
})

describe('what a body holds', () => {
  const server = useApp()
  const submit = (raw: string) => server.it.ask('POST /v1/operations', { raw, headers: { ...json, Prefer: 'wait=20' } })

  test('a member named __proto__ is kept in input, result and attributes', async () => {
    const echo = '{"__proto__":{"a":1},"b":[{"__proto__":2}]}'
    const { text } = await submit(`{"kind":"probe","input":{"echo":${echo}}}`)
    expect(text).toContain(`"input":{"echo":${echo}}`)
    expect(text).toContain(`"result":{"echo":${echo},`)
    const feed = `{"url":"http://127.0.0.1:9/","appid":"abc","crawlid":"proto","spiderid":"nobody","attrs":${echo}}`
    expect((await server.it.ask('POST /feed', { raw: feed, headers: json })).status).toBe(200)
    const { text: events } = await server.it.ask('GET /v1/events?type=OperationRequested&limit=1000')
    expect(events).toContain(`"attrs":${echo}`)
  })

  test('attributes are an object', async () => {
    for (const attrs of ['[]', '5', 'null', '"x"']) {
      const feed = `{"url":"http://127.0.0.1:9/","appid":"abc","crawlid":"no${attrs.length}","attrs":${attrs}}`
      const { headers } = await server.it.ask('POST /feed', { raw: feed, headers: json })
      expect(headers.get('feed-class')).not.toBe('crawl')
    }
  })

  test.each([
    ['{"kind":"probe","input":{"echo":[1,{"n":9007199254740993}]}}', '/input/echo/1/n'],
    ['{"kind":"probe","input":{"echo":1e400}}', '/input/echo'],
    ['{"kind":"probe","input":{},"priority":18446744073709551617}', '/priority'],
  ])('%s is refused: %s', async (raw, pointer) => {
    const answer = await submit(raw)
    expect(problem(answer)).toEqual(isProblem('invalid', 400))
    expect(answer.json.errors).toMatchObject([{ pointer }])
  })
})

describe('If-Match', () => {
  const server = useApp()

  test.each(['"5"', '*', 'W/"5"', 'abc', '5', '"1","2"', ''])('%s on what does not exist is 404', async (tag) => {
    for (const action of ['cancel', 'retry']) {
      const line = `POST /v1/operations/01a22d6b-cc07-74ba-942b-60c87c67ab00/${action}`
      expect(problem(await server.it.ask(line, { headers: { 'If-Match': tag } }))).toEqual(isProblem('not-found', 404))
    }
  })

  test.each(['"99"', 'W/"0"', 'abc', '5', '"98","99"'])('%s on what exists is 412 with the revision', async (tag) => {
    const { json: operation } = await server.it.probe({ sleepMs: 60_000 })
    const path = `/v1/operations/${operation.id}`
    const answer = await server.it.ask(`POST ${path}/cancel`, { headers: { 'If-Match': tag } })
    expect(problem(answer)).toEqual(isProblem('version-mismatch', 412))
    expect(answer.json).toMatchObject({ expected: tag, actual: expect.stringMatching(/^"\d+"$/) })
    await server.it.ask(`POST ${path}/cancel`)
  })
})

describe('times', () => {
  const server = useApp()

  test.each(['9999-12-31T23:59:59-01:00', '0000-01-01T00:00:00+01:00'])('%s is no time of the years 0000 to 9999', async (at) => {
    expect(problem(await server.it.probe({}, { runAt: at }))).toEqual(isProblem('invalid', 400))
    for (const list of ['operations', 'events'])
      expect(problem(await server.it.ask(`GET /v1/${list}?from=${encodeURIComponent(at)}`))).toEqual(isProblem('invalid', 400))
  })

  test.each(['1970-01-01T00:00:00Z', '1969-12-31T23:59:59.999Z', '0001-01-01T00:00:00Z', '0000-01-01T00:00:00Z'])(
    'what may run from %s on runs at once, in a lane too, and the next in the lane after it',
    async (runAt) => {
      const wait = { Prefer: 'wait=60' }
      const answers = [
        await server.it.probe({}, { runAt, lane: runAt }, wait),
        await server.it.probe({}, { lane: runAt }, wait),
        await server.it.probe({}, { runAt }, wait),
      ]
      expect(answers.map(({ json }) => json.state)).toEqual(['succeeded', 'succeeded', 'succeeded'])
    },
  )

  test('the last moment of 9999 is taken', async () => {
    const { status, json } = await server.it.probe({}, { runAt: '9999-12-31T23:59:59.999Z' })
    expect([status, json.waitingFor.until]).toEqual([202, '9999-12-31T23:59:59.999Z'])
  })
})

describe('of very many unknown members', () => {
  const server = useApp()
  const unknown = Object.fromEntries(Array.from({ length: 60_000 }, (_, index) => [`x${index}`, 1]))

  test.each([
    ['the body', { kind: 'probe', ...unknown }],
    ['the input', { kind: 'probe', input: unknown }],
  ])('of %s 20 are named, and how many more there are', async (_name, body) => {
    const answer = await server.it.ask('POST /v1/operations', { raw: JSON.stringify(body), headers: json })
    expect(problem(answer)).toEqual(isProblem('invalid', 400))
    expect(answer.json.errors).toHaveLength(20)
    expect(answer.json.detail).toMatch(/ is not valid; \d+ more errors are not listed$/)
  })
})
