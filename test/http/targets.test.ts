import { afterAll, beforeAll, expect, test } from 'vitest'
import { fanOutWork } from '../fan-out-work.ts'
import { isProblem, problem, startApp, type TestApp } from './app.ts'

let it: TestApp
beforeAll(async () => {
  it = await startApp({}, { works: [fanOutWork()] })
})
afterAll(() => it.stop())

const once = { policy: { attempts: 1 } }
const over = async (input: object, more: object = once) => {
  const answer = await it.ask('POST /v1/operations', {
    body: { kind: 'fan-out', input, ...more },
    headers: { Prefer: 'wait=20' },
  })
  expect(answer.status).toBe(200)
  return answer.json
}
const names = async (id: string, query = '') =>
  (await it.ask(`GET /v1/operations/${id}/targets${query}`)).json.items.map(({ name }: { name: string }) => name)

test('the list shows each target in order, and the resource counts them', async () => {
  const operation = await over({ hosts: ['a', 'b', 'c'], fails: ['b'], maxFailures: 1 })
  expect(operation).toMatchObject({
    state: 'failed',
    error: { type: 'targets-failed', message: '1 of 3 targets failed, 1 were skipped', details: { failed: 1, skipped: 1 } },
    targets: { total: 3, waiting: 0, running: 0, succeeded: 1, failed: 1, skipped: 1 },
  })
  const { json, headers } = await it.ask(`GET /v1/operations/${operation.id}/targets`)
  const time = expect.stringMatching(/^\d{4}-.*Z$/)
  expect(json).toEqual({
    items: [
      { name: 'a', state: 'succeeded', startedAt: time, finishedAt: time, error: null, result: { host: 'a', attempt: 1 } },
      {
        ...{ name: 'b', state: 'failed', startedAt: time, finishedAt: time, result: null },
        error: { type: 'unreachable', message: 'b does not answer', retryable: true },
      },
      { name: 'c', state: 'skipped', startedAt: null, finishedAt: null, error: null, result: null },
    ],
    next: null,
  })
  expect(headers.get('event-position')).toBe(operation.position)
})

test('pages and states', async () => {
  const { id } = await over({ hosts: ['a', 'b', 'c', 'd', 'e'], fails: ['b', 'd'] })
  expect(await names(id, '?state=failed')).toEqual(['b', 'd'])
  expect(await names(id, '?state=failed&state=succeeded')).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(await names(id, '?state=skipped&state=waiting&state=running')).toEqual([])
  const first = (await it.ask(`GET /v1/operations/${id}/targets?state=succeeded&limit=2`)).json
  expect(first.items).toHaveLength(2)
  expect(await names(id, `?state=succeeded&limit=2&cursor=${first.next}`)).toEqual(['e'])
})

test('a past list is that of its moment', async () => {
  const { id } = await over({ hosts: ['a', 'b'] })
  const { items } = (await it.ask(`GET /v1/operations/${id}/events`)).json
  expect(items.map(({ type }: { type: string }) => type.replace('Operation', ''))).toEqual([
    ...['Requested', 'Started', 'TargetStarted', 'TargetSucceeded', 'TargetStarted', 'TargetSucceeded', 'Succeeded'],
  ])
  const states = async (position: string) =>
    (await it.ask(`GET /v1/operations/${id}/targets?asOf=${position}`)).json.items.map(({ state }: { state: string }) => state)
  expect(await states(items[0].position)).toEqual(['waiting', 'waiting'])
  expect(await states(items[2].position)).toEqual(['running', 'waiting'])
  expect(await states(items[6].position)).toEqual(['succeeded', 'succeeded'])
  expect((await it.ask(`GET /v1/operations/${id}?asOf=${items[3].position}`)).json.targets).toEqual({
    ...{ total: 2, waiting: 1, running: 0, succeeded: 1, failed: 0, skipped: 0 },
  })
})

test('an operation without targets has none', async () => {
  const { json } = await it.probe({}, {}, { Prefer: 'wait=10' })
  expect(json.targets).toBeNull()
  expect((await it.ask(`GET /v1/operations/${json.id}/targets`)).json).toEqual({ items: [], next: null })
})

test('a retry of the failed targets is an operation over them alone', async () => {
  const first = await over({ hosts: ['a', 'b', 'c', 'd'], fails: ['b'], maxFailures: 1 })
  const ask = (id: string, body?: object) =>
    it.ask(`POST /v1/operations/${id}/retry`, { ...(body && { body }), headers: { Prefer: 'wait=20' } })
  const retried = await ask(first.id, { targets: 'failed' })
  expect(retried.status).toBe(200)
  expect(retried.json).toMatchObject({ retryOf: first.id, input: first.input, targets: { total: 3, failed: 1, skipped: 2 } })
  expect(await names(retried.json.id)).toEqual(['b', 'c', 'd'])
  expect((await ask(first.id)).json.targets.total).toBe(4)
  expect((await ask(retried.json.id)).json.targets.total).toBe(3)
})

test('what has no failed target is not retried for them', async () => {
  const { json: failed } = await it.probe({ failAttempts: 1 }, once, { Prefer: 'wait=10' })
  const { id } = await over({ hosts: ['a'] })
  for (const one of [failed.id, id])
    expect(problem(await it.ask(`POST /v1/operations/${one}/retry`, { body: { targets: 'failed' } }))).toEqual(
      isProblem('impossible-transition', 409),
    )
})

test.each([
  ['GET /v1/operations/019ab2c4-0000-7000-8000-000000000000/targets', undefined, 'not-found', 404],
  ['GET /v1/operations/PROBE/targets?state=done', undefined, 'invalid', 400],
  ['GET /v1/operations/PROBE/targets?name=a', undefined, 'invalid', 400],
  ['GET /v1/operations/PROBE/targets?cursor=x', undefined, 'invalid', 400],
  ['GET /v1/operations/PROBE/targets?limit=0', undefined, 'invalid', 400],
  ['POST /v1/operations/PROBE/retry', { targets: 'all' }, 'invalid', 400],
  ['POST /v1/operations', { kind: 'fan-out', input: { hosts: [] } }, 'invalid', 400],
  ['POST /v1/operations', { kind: 'fan-out', input: { hosts: ['a', 'a'] } }, 'invalid', 400],
  ['POST /v1/operations', { kind: 'fan-out', input: { hosts: ['a'] }, targets: { names: ['b'] } }, 'invalid', 400],
])('%s %j: %s', async (line, body, slug, status) => {
  const { json } = await it.probe()
  expect(problem(await it.ask(line.replace('PROBE', json.id), body && { body }))).toEqual(isProblem(slug, status))
})

test('why tells of targets in sentences', async () => {
  const { id } = await over({ hosts: ['a', 'b'], fails: ['b'] })
  const { items } = (await it.ask(`GET /v1/operations/${id}/why`)).json.effects
  expect(items.map(({ summary }: { summary: string }) => summary)).toEqual(
    expect.arrayContaining(['attempt 1 started on target a', 'attempt 1 failed on target b: b does not answer']),
  )
})
