import { describe, expect, test } from 'vitest'
import { md5 } from '../../../src/lib/ids.ts'
import { useApp } from '../app.ts'

const server = useApp()
const ask: typeof server.it.ask = (line, options) => server.it.ask(line, options)
const add = (body: unknown, headers = {}) => ask('POST /robot/webhooks', { body, headers })
const list = async () => (await ask('GET /robot/webhooks')).json
const badBody = { status: 400, json: { code: 400, message: 'bad request body' } }

describe('POST /robot/webhooks', () => {
  test('answers 201 with id, kind and url, and the list shows them in the order of adding', async () => {
    const url = 'http://127.0.0.1:9/b?x=1'
    const entry = { id: md5(url), kind: 'eco', url }
    const answer = await add({ url, kind: 'eco', id: 'mine', version: '0.0.1' })
    expect(answer).toMatchObject({ status: 201, json: entry })
    expect(Object.keys(answer.json)).toHaveLength(3)
    expect(answer.headers.get('content-type')).toBe('application/json')
    const second = (await add({ url: 'https://example.com/a', kind: 'eco', id: null })).json
    expect(await list()).toEqual([entry, second])
  })

  test('the same address again is the same entry', async () => {
    const url = 'http://example.com/same'
    const first = await add({ url, kind: 'eco' })
    expect(await add({ url, kind: 'eco' })).toMatchObject({ status: 201, json: first.json })
    expect((await list()).filter((one: { url: string }) => one.url === url)).toHaveLength(1)
  })

  test.each([
    [{}],
    [{ url: 'http://example.com/x' }],
    [{ kind: 'eco' }],
    [{ url: 7, kind: 'eco' }],
    [{ url: 'ftp://example.com/x', kind: 'eco' }],
    [{ url: '/relative', kind: 'eco' }],
    [{ url: 'http://', kind: 'eco' }],
    [{ url: 'http://example.com/x', kind: 'task' }],
    [{ url: 'http://example.com/x', kind: 'eco', id: 7 }],
    [[]],
    [null],
  ])('refuses %j', async (body) => expect(await add(body)).toMatchObject(badBody))

  test.each(['', '{', '"text"'])('refuses the body %j', async (raw) =>
    expect(await ask('POST /robot/webhooks', { raw })).toMatchObject(badBody),
  )

  test('repeats its answer under the same Idempotency-Key', async () => {
    const body = { url: 'http://example.com/keyed', kind: 'eco' }
    const headers = { 'Idempotency-Key': 'a-hook' }
    const first = await add(body, headers)
    const again = await add(body, headers)
    expect(again).toMatchObject({ status: 201, json: first.json })
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect(await add({ ...body, url: 'http://example.com/other' }, headers)).toMatchObject({ status: 422, json: { code: 422 } })
  })
})

describe('DELETE /robot/webhooks/{id}', () => {
  test('answers 204 always, and the list has it no more', async () => {
    const { id } = (await add({ url: 'http://example.com/gone', kind: 'eco' })).json
    for (const line of [`/robot/webhooks/${id}`, `/robot/webhooks/${id}`, '/robot/webhooks/nothing', '/robot/webhooks/%2e%2e%2f'])
      expect(await ask(`DELETE ${line}`)).toMatchObject({ status: 204, text: '' })
    expect((await list()).map((one: { id: string }) => one.id)).not.toContain(id)
    expect((await add({ url: 'http://example.com/gone', kind: 'eco' })).status).toBe(201)
    expect((await list()).at(-1).id).toBe(id)
  })
})

test('events say what was added and deleted, and the list has a past', async () => {
  const url = 'http://example.com/past'
  const added = await add({ url, kind: 'eco' })
  const position = added.headers.get('event-position') ?? ''
  const { id } = added.json
  await ask(`DELETE /robot/webhooks/${id}`)
  const events = (await ask(`GET /v1/streams/robotWebhook-${id}`)).json.items
  expect(events.map(({ type }: { type: string }) => type)).toEqual(['WebHookAdded', 'WebHookDeleted'])
  expect(events[0].data).toEqual({ url, kind: 'eco' })
  expect((await ask('GET /robot/webhooks', { headers: { 'As-Of': position } })).text).toContain(url)
  expect((await ask('GET /robot/webhooks')).text).not.toContain(url)
})

test.each([
  ['PUT /robot/webhooks', 'GET, HEAD, POST'],
  ['GET /robot/webhooks/some', 'DELETE'],
  ['OPTIONS /robot/webhooks', 'GET, HEAD, POST'],
  ['POST /robot/info', 'GET, HEAD'],
  ['DELETE /robot/metrics', 'GET, HEAD'],
])('%s is 405 with Allow', async (line, allow) => {
  const answer = await ask(line)
  expect(answer).toMatchObject({ status: 405, json: { code: 405 } })
  expect(answer.headers.get('allow')).toBe(allow)
})
