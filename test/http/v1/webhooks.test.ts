import { Webhook } from 'standardwebhooks'
import { expect, onTestFinished, test } from 'vitest'
import { newId } from '../../../src/lib/ids.ts'
import { isProblem, problem, startApp, useApp } from '../app.ts'
import { type Delivery, openReceiver } from '../receiver.ts'

const shared = useApp()
const succeeded = { type: 'OperationSucceeded' }
const ofProbe = ({ event }: Delivery): unknown => event.data.result?.echo

/** A webhook under a name of its own. */
const add = async (more: object = {}) => {
  const { it } = shared
  const name = newId()
  const made = await it.ask('POST /v1/webhooks', { body: { name, url: 'http://127.0.0.1:1/', active: false, ...more } })
  return { name, made, path: `/v1/webhooks/${name}` }
}

/** Resolves with the webhook once it is as it should be; each look follows an event. */
const until = async (path: string, isSo: (webhook: Delivery['event']) => boolean) => {
  for (;;) {
    const { json } = await shared.it.ask(`GET ${path}`)
    if (isSo(json)) return json
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test('an event is delivered as a CloudEvent, and the library of Standard Webhooks verifies it', async () => {
  const { it } = shared
  const receiver = await openReceiver()
  const { made, path } = await add({ url: receiver.url, filter: succeeded, active: true })
  expect(made).toMatchObject({ status: 201, json: { active: true, secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/) } })
  expect(made.headers.get('location')).toBe(path)
  expect([made.headers.get('etag'), made.headers.get('cache-control')]).toEqual(['"0"', 'no-store'])
  const { json: operation } = await it.probe({ echo: 'hello' }, {}, { Prefer: 'wait=10' })
  await receiver.until((all) => all.some((one) => ofProbe(one) === 'hello'))
  const [delivery] = receiver.deliveries as [Delivery]
  const { headers, body } = delivery
  const verified = new Webhook(made.json.secret).verify(body, headers as Record<string, string>)
  const [recorded] = (await it.ask(`GET /v1/events?type=OperationSucceeded&stream=operation-${operation.id}`)).json.items
  expect(verified).toEqual({
    specversion: '1.0',
    id: recorded.id,
    source: expect.stringMatching(/^urn:intendant:[0-9a-f-]{36}$/),
    type: 'intendant.OperationSucceeded',
    subject: `operation-${operation.id}`,
    time: recorded.recordedAt,
    sequence: '0000000000000002',
    position: recorded.position,
    correlationid: operation.id,
    causationid: recorded.metadata.causationId,
    traceparent: recorded.metadata.traceparent,
    principal: 'anonymous',
    datacontenttype: 'application/json',
    data: recorded.data,
  })
  expect(headers).toMatchObject({ 'content-type': 'application/cloudevents+json', 'webhook-id': recorded.id })
  const settled = await until(path, ({ lag, position }) => lag === 0 && position >= recorded.position)
  expect(settled).toMatchObject({ failures: 0, lastError: null, parked: 0, pausedBecause: null })
  expect(settled.secret).toBeUndefined()
})

test('every member is shown, defaults too, and the secret never again', async () => {
  const { it } = shared
  const secret = 'a secret of my own'
  const { made, path, name } = await add({ secret, filter: { category: ['operation', 'x'], principal: 'jane' }, from: '0' })
  expect(Object.keys(made.json)).toEqual([
    ...['name', 'url', 'filter', 'active', 'pausedBecause', 'position', 'lag', 'failures', 'lastError', 'parked'],
    ...['createdAt', 'revision'],
  ])
  expect(made.json).toMatchObject({
    ...{ name, url: 'http://127.0.0.1:1/', filter: { category: ['operation', 'x'], principal: 'jane' } },
    ...{ active: false, pausedBecause: 'paused by anonymous', position: '0', lag: 0 },
  })
  const plain = await add()
  for (const { text } of [
    await it.ask(`GET ${path}`),
    await it.ask('GET /v1/webhooks?limit=1000'),
    await it.ask('GET /v1/events?category=webhook&limit=1000'),
    await it.ask('GET /v1/secrets?limit=1000'),
  ]) {
    expect(text).not.toContain(secret)
    expect(text).not.toContain(plain.made.json.secret)
  }
  expect((await it.ask('GET /v1/secrets?limit=1000')).text).toContain(`webhook-${name}`)
})

test('the answer that shows a made secret is given again for its key, and stands nowhere in clear', async () => {
  const { it } = shared
  const name = newId()
  const request = { body: { name, url: 'http://127.0.0.1:1/', active: false }, headers: { 'Idempotency-Key': name } }
  const first = await it.ask('POST /v1/webhooks', request)
  const again = await it.ask('POST /v1/webhooks', request)
  expect([again.status, again.text]).toEqual([201, first.text])
  expect(again.headers.get('idempotency-replayed')).toBe('true')
  const events = await it.ask('GET /v1/events?type=KeyAnswered&order=desc')
  const inBase64 = Buffer.from(first.text).toString('base64')
  expect(events.text).not.toContain(first.json.secret)
  expect(events.text).not.toContain(inBase64)
  await it.ask(`DELETE /v1/webhooks/${name}`)
  expect(problem(await it.ask('POST /v1/webhooks', request))).toEqual(isProblem('secret-forgotten', 409))
})

const url = 'https://example.com/'
test.each([
  ['a taken name', { name: 'taken', url }, 'exists', 409, undefined],
  ['an address of another scheme', { url: 'ftp://example.com/' }, 'invalid', 400, '/url'],
  ['no address', { url: 'nonsense' }, 'invalid', 400, '/url'],
  ['a password in the address', { url: 'https://jane:secret@example.com/' }, 'invalid', 400, '/url'],
  ['no url', {}, 'invalid', 400, '/url'],
  ['an unknown member', { url, colour: 'red' }, 'invalid', 400, '/colour'],
  ['an unknown filter', { url, filter: { typ: 'a' } }, 'invalid', 400, '/filter/typ'],
  ['an empty name', { name: '', url }, 'invalid', 400, '/name'],
  ['a name of dots', { name: '..', url }, 'invalid', 400, '/name'],
  ['a long name', { name: 'x'.repeat(201), url }, 'invalid', 400, '/name'],
  ['a control character in the name', { name: 'a\0b', url }, 'invalid', 400, '/name'],
  ['a filter without values', { url, filter: { type: [] } }, 'invalid', 400, '/filter/type'],
  ['a malformed secret', { url, secret: 'whsec_?' }, 'invalid', 400, '/secret'],
  ['a malformed position', { url, from: 'x' }, 'invalid', 400, '/from'],
  ['a position that is not there yet', { url, from: '9999999999999999' }, 'invalid', 400, '/from'],
])('%s is refused', async (_what, body, slug, status, pointer) => {
  await shared.it.ask('POST /v1/webhooks', { body: { name: 'taken', url, active: false } })
  const answer = await shared.it.ask('POST /v1/webhooks', { body: { name: newId(), ...body } })
  expect(problem(answer)).toEqual(isProblem(slug, status))
  expect(answer.json.errors?.map((error: { pointer: string }) => error.pointer)).toEqual(pointer && [pointer])
})

test.each(['GET', 'PUT', 'DELETE'])('%s of a webhook that is not there is 404', async (method) => {
  const body = method === 'PUT' ? { body: { url } } : {}
  expect(problem(await shared.it.ask(`${method} /v1/webhooks/missing`, body))).toEqual(isProblem('not-found', 404))
})

test.each(['pause', 'resume', `parked/${newId()}/redrive`, `parked/${newId()}/discard`])(
  'POST %s needs a webhook',
  async (path) => {
    expect(problem(await shared.it.ask(`POST /v1/webhooks/missing/${path}`))).toEqual(isProblem('not-found', 404))
    const { path: existing } = await add()
    const answer = await shared.it.ask(`POST ${existing}/${path}`)
    expect(answer.status).toBe(path.startsWith('parked') ? 404 : 200)
  },
)

test('a replacement keeps secret and position, takes defaults for the rest, and honours If-Match', async () => {
  const { it } = shared
  const { path, name, made } = await add({ filter: succeeded })
  const stale = { body: { url }, headers: { 'If-Match': '"7"' } }
  const mismatch = await it.ask(`PUT ${path}`, stale)
  expect(problem(mismatch)).toEqual(isProblem('version-mismatch', 412))
  expect(mismatch.json).toMatchObject({ expected: '"7"', actual: '"0"' })
  const put = await it.ask(`PUT ${path}`, { body: { url, name, active: false }, headers: { 'If-Match': '"0"' } })
  expect(put).toMatchObject({ status: 200, json: { url, filter: {}, active: false, position: made.json.position, revision: 1 } })
  expect(put.headers.get('etag')).toBe('"1"')
  const same = await it.ask(`PUT ${path}`, { body: { url, active: false } })
  expect(same).toMatchObject({ status: 200, json: { revision: 1 } })
  expect((await it.ask(`PUT ${path}`, { body: { url, from: '0', active: false } })).json).toMatchObject({
    position: '0',
    revision: 2,
  })
  expect(problem(await it.ask(`PUT ${path}`, { body: { url, name: 'other' } }))).toEqual(isProblem('invalid', 400))
})

test('pause and resume answer 200, also where nothing changes; an entity tag that is known is 304', async () => {
  const { it } = shared
  const { path } = await add({ filter: { type: 'Never' } })
  expect(await it.ask(`POST ${path}/pause`)).toMatchObject({ status: 200, json: { active: false, revision: 0 } })
  expect(await it.ask(`POST ${path}/resume`)).toMatchObject({
    status: 200,
    json: { active: true, pausedBecause: null, revision: 1 },
  })
  expect(await it.ask(`POST ${path}/resume`)).toMatchObject({ status: 200, json: { revision: 1 } })
  expect(await it.ask(`POST ${path}/pause`)).toMatchObject({ status: 200, json: { pausedBecause: 'paused by anonymous' } })
  expect((await it.ask(`GET ${path}`, { headers: { 'If-None-Match': '"2"' } })).status).toBe(304)
  expect((await it.ask(`GET ${path}`, { headers: { 'If-None-Match': '"1"' } })).status).toBe(200)
  expect(problem(await it.ask(`POST ${path}/pause`, { headers: { 'If-Match': '"0"' } }))).toEqual(
    isProblem('version-mismatch', 412),
  )
})

test('a deleted webhook is gone, its secret is forgotten, and its name is free', async () => {
  const { it } = shared
  const { path, name } = await add()
  const deleted = await it.ask(`DELETE ${path}`)
  expect([deleted.status, deleted.text]).toEqual([204, ''])
  expect(problem(await it.ask(`GET ${path}`))).toEqual(isProblem('not-found', 404))
  const { items } = (await it.ask('GET /v1/secrets?limit=1000')).json
  expect(items.find(({ usedBy }: { usedBy: string[] }) => usedBy.includes(`webhook-${name}`)).forgottenAt).not.toBeNull()
  expect((await it.ask('POST /v1/webhooks', { body: { name, url, active: false } })).status).toBe(201)
})

test('a webhook whose secret was forgotten is not begun again, until it gets a new one', async () => {
  const { it } = shared
  const { path, name } = await add({ filter: { type: 'Never' } })
  const { items } = (await it.ask('GET /v1/secrets?limit=1000')).json
  const { subject } = items.find(({ usedBy }: { usedBy: string[] }) => usedBy.includes(`webhook-${name}`))
  expect((await it.ask(`DELETE /v1/secrets/${subject}`)).status).toBe(200)
  expect(problem(await it.ask(`POST ${path}/resume`))).toEqual(isProblem('secret-forgotten', 409))
  expect((await it.ask(`PUT ${path}`, { body: { url, filter: { type: 'Never' }, secret: 'another one' } })).json.active).toBe(
    true,
  )
})

test('webhooks are listed by name, page by page; any name can be one', async () => {
  const { it } = shared
  for (const name of ['zz/ü b', 'zz?c', 'zza'])
    expect((await it.ask('POST /v1/webhooks', { body: { name, url, active: false } })).status).toBe(201)
  expect((await it.ask(`GET /v1/webhooks/${encodeURIComponent('zz/ü b')}`)).json.name).toBe('zz/ü b')
  const names: string[] = []
  for (let next: string | null = ''; next !== null; ) {
    const page: Delivery['event'] = (await it.ask(`GET /v1/webhooks?limit=3${next === '' ? '' : `&cursor=${next}`}`)).json
    names.push(...page.items.map(({ name }: { name: string }) => name))
    next = page.next
  }
  expect(names).toEqual([...names].sort())
  expect(names.slice(-3)).toEqual(['zz/ü b', 'zz?c', 'zza'])
})

test('redirects count as failures, Retry-After is waited for, and 410 pauses', async () => {
  const { it } = shared
  const receiver = await openReceiver((_delivery, count) =>
    count === 1
      ? { status: 302, headers: { Location: '/elsewhere' } }
      : count === 2
        ? { status: 503, headers: { 'Retry-After': '3' } }
        : 410,
  )
  const { path } = await add({ url: receiver.url, filter: succeeded, active: true })
  await it.probe({ echo: 'try' }, {}, { Prefer: 'wait=10' })
  await until(path, ({ failures }) => failures === 1)
  const failing = await until(path, ({ failures }) => failures === 2)
  expect(failing).toMatchObject({ active: true, lag: 1, lastError: 'the receiver answered 503' })
  const paused = await until(path, ({ active }) => !active)
  expect(paused).toMatchObject({ pausedBecause: 'the receiver answered 410 Gone', failures: 3 })
  const [first, second, third] = receiver.deliveries.map(({ at }) => at) as [number, number, number]
  expect(second - first).toBeGreaterThan(900)
  expect(third - second).toBeGreaterThan(2_900)
  expect(new Set(receiver.deliveries.map(({ path, headers }) => `${path} ${headers['webhook-id']}`)).size).toBe(1)
  receiver.answer(() => 200)
  await it.ask(`POST ${path}/resume`)
  await until(path, ({ lag, failures }) => lag === 0 && failures === 0)
  expect(receiver.deliveries).toHaveLength(4)
})

test('what is sealed in an event is masked in a delivery', async () => {
  const { it } = shared
  const receiver = await openReceiver()
  await add({ url: receiver.url, filter: { category: 'operation', type: 'OperationRequested' }, active: true })
  await it.ask('POST /feed', { body: { url: 'http://127.0.0.1:1/', appid: 'app', crawlid: 'crawl', cookie: 'session=secret' } })
  await receiver.until((all) => all.length > 0)
  expect(receiver.deliveries[0]?.event.data.input.cookie).toBe('***')
})

test('a server that others can reach sends nothing to private addresses', async () => {
  const app = await startApp({ WEBHOOKS_ALLOW_PRIVATE: 'false' })
  onTestFinished(() => app.stop())
  const receiver = await openReceiver()
  await app.ask('POST /v1/webhooks', { body: { name: 'a', url: receiver.url, filter: succeeded } })
  await app.probe({ echo: 'try' }, {}, { Prefer: 'wait=10' })
  for (let failures = 0; failures === 0; ) failures = (await app.ask('GET /v1/webhooks/a')).json.failures
  const { lastError } = (await app.ask('GET /v1/webhooks/a')).json
  expect(lastError).toBe('127.0.0.1 is not a public address; webhooks may not reach it (WEBHOOKS_ALLOW_PRIVATE)')
  expect(receiver.deliveries).toEqual([])
})
