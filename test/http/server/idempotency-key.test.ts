import { rmSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { buildServer } from '../../../src/http/server/server.ts'
import { isProblem, problem, startApp, useApp } from '../app.ts'

const server = useApp()
const submit = (key: string, input: unknown = {}, headers = {}) =>
  server.it.ask('POST /v1/operations', { body: { kind: 'probe', input }, headers: { 'Idempotency-Key': key, ...headers } })
const count = async () => {
  const { json } = await server.it.ask('GET /v1/events?type=OperationRequested&limit=1000')
  return json.items.length as number
}

describe('a key', () => {
  test('gives the same answer again, byte for byte', async () => {
    const first = await submit('once')
    const before = await count()
    const again = await submit('"once"')
    expect([again.status, again.text]).toEqual([first.status, first.text])
    for (const name of ['location', 'operation-id', 'etag', 'event-position', 'content-type'])
      expect([name, again.headers.get(name)]).toEqual([name, first.headers.get(name)])
    expect([first.headers.get('idempotency-replayed'), again.headers.get('idempotency-replayed')]).toEqual([null, 'true'])
    expect(await count()).toBe(before)
  })

  test('does not serve another request', async () => {
    await submit('other', { echo: 1 })
    expect(problem(await submit('other', { echo: 2 }))).toEqual(isProblem('key-reused', 422))
    const elsewhere = await server.it.ask('POST /v1/projections/operations/rebuild', { headers: { 'Idempotency-Key': 'other' } })
    expect(problem(elsewhere)).toEqual(isProblem('key-reused', 422))
  })

  test('is free again after a refusal', async () => {
    expect((await submit('refused', { nothing: 1 })).status).toBe(400)
    expect((await submit('refused', { echo: 1 })).status).toBe(202)
  })

  test('that is being processed is refused', async () => {
    const first = submit('slow', { sleepMs: 60_000 }, { Prefer: 'wait=3' })
    const { json } = await server.it.ask('GET /v1/operations?state=running&wait=1').then(async () => {
      for (;;) {
        const list = await server.it.ask('GET /v1/operations?state=running&limit=1')
        if (list.json.items.length > 0) return list
      }
    })
    expect(problem(await submit('slow', { sleepMs: 60_000 }))).toEqual(isProblem('key-in-use', 409))
    await server.it.ask(`POST /v1/operations/${json.items[0].id}/cancel`)
    const kept = await first
    const again = await submit('slow', { sleepMs: 60_000 })
    expect([again.status, again.text]).toEqual([kept.status, kept.text])
  })

  test('taken by many at a time makes one operation', async () => {
    const before = await count()
    const answers = await Promise.all(Array.from({ length: 20 }, () => submit('many')))
    expect(await count()).toBe(before + 1)
    const ids = new Set(answers.filter(({ status }) => status === 202).map(({ json }) => json.id))
    expect(ids.size).toBe(1)
    expect(answers.every(({ status }) => status === 202 || status === 409)).toBe(true)
  })

  test.each(['""', ' ', 'x'.repeat(256), 'two words', 'kâse'])('%j is malformed', async (key) => {
    const answer = await server.it.ask('POST /v1/operations', {
      body: { kind: 'probe', input: {} },
      headers: { 'Idempotency-Key': key },
    })
    expect(problem(answer)).toEqual(isProblem('invalid', 400))
  })

  test('is for reads of no meaning', async () => {
    expect((await server.it.ask('GET /v1/kinds', { headers: { 'Idempotency-Key': 'two words' } })).status).toBe(200)
  })

  test('is honoured by faces', async () => {
    const feed = { appid: 'testapp', crawlid: 'abc', url: 'http://localhost:1/' }
    const send = () => server.it.ask('POST /feed', { body: feed, headers: { 'Idempotency-Key': 'feed' } })
    const first = await send()
    const again = await send()
    expect([again.status, again.text, again.headers.get('idempotency-replayed')]).toEqual([first.status, first.text, 'true'])
  })
})

test('a large answer is given again, byte for byte', async () => {
  const input = { echo: 'x'.repeat(900_000) }
  const first = await submit('large', input)
  const again = await submit('large', input)
  expect([first.status, again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 202, 'true'])
  expect(again.text === first.text).toBe(true)
})

test('the answer that another node gave first is the one that holds', async () => {
  const { app, stop, url } = await startApp()
  const other = buildServer(app.ports)
  const ask = () =>
    new Request(`${url}/v1/operations`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': 'two-nodes', Prefer: 'wait=30' },
      body: JSON.stringify({ kind: 'probe', input: { sleepMs: 50 } }),
    })
  const bodies = await Promise.all([app.fetch(ask()), other.fetch(ask())].map(async (answer) => (await answer).text()))
  expect(bodies[0]).toBe(bodies[1])
  const { items } = (await (await other.fetch(new Request(`${url}/v1/operations`))).json()) as { items: unknown[] }
  expect(items).toHaveLength(1)
  await other.close()
  await stop()
})

test('of two nodes that get one key at the same moment one does it, and the other says that it is in use', async () => {
  const { app, stop, url } = await startApp()
  const settings = { ...app.ports.settings, sharesLog: true }
  const nodes = [buildServer({ ...app.ports, settings }), buildServer({ ...app.ports, settings })]
  const ask = () =>
    new Request(`${url}/v1/operations`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': 'same-moment', Prefer: 'wait=30' },
      body: JSON.stringify({ kind: 'probe', input: { sleepMs: 200 } }),
    })
  const answers = await Promise.all(nodes.map((node) => node.fetch(ask())))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
  const refused = answers.find(({ status }) => status === 409)
  expect(refused?.headers.get('retry-after')).toBe('1')
  expect(await refused?.json()).toMatchObject({ type: 'urn:intendant:problem:key-in-use' })
  const kept = await answers.find(({ status }) => status === 200)?.text()
  for (const node of nodes) {
    const again = await node.fetch(ask())
    expect([again.headers.get('idempotency-replayed'), await again.text()]).toEqual(['true', kept])
  }
  for (const node of nodes) await node.close()
  await stop()
})

test('answers are kept across restarts', async () => {
  const first = await startApp()
  const ask = { body: { kind: 'probe', input: { echo: 'kept' } }, headers: { 'Idempotency-Key': 'restart', Prefer: 'wait=20' } }
  const before = await first.ask('POST /v1/operations', ask)
  await first.app.stop()
  const second = await startApp({}, { dataDir: first.dataDir })
  const after = await second.ask('POST /v1/operations', ask)
  expect([after.status, after.text, after.headers.get('idempotency-replayed')]).toEqual([before.status, before.text, 'true'])
  await second.stop()
  rmSync(first.dataDir, { recursive: true, force: true })
})

test('a claim that a crash left behind is answered as the same command', async () => {
  const { app, ask, stop } = await startApp()
  const { executor } = app.ports
  const { request } = await import('../../../src/commands/request.ts')
  const { newId, sha256 } = await import('../../../src/lib/ids.ts')
  const body = JSON.stringify({ kind: 'probe', input: {} })
  const commandId = newId()
  const context = { commandId: newId(), correlationId: newId(), actor: { principal: 'anonymous', face: null, address: null } }
  const stream = `request-${sha256('anonymous\u0000crashed')}`
  const fingerprint = sha256(`POST /v1/operations anonymous ${sha256(body)}`)
  await executor.execute(request, { type: 'ClaimKey', stream, fingerprint, commandId }, context)
  await app.ports.submit({ kind: 'probe', input: {} }, { ...context, commandId })
  const answer = await ask('POST /v1/operations', {
    raw: body,
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': 'crashed' },
  })
  expect([answer.status, answer.json.id]).toEqual([202, commandId])
  const requested = await ask('GET /v1/events?type=OperationRequested')
  expect(requested.json.items).toHaveLength(1)
  await stop()
})
