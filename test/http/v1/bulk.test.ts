import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { work } from '../../workers/engine.ts'
import { isProblem, problem, startApp, type TestApp } from '../app.ts'

const labelled = work(
  'test.labelled',
  async (_input, { label, attempt }) => {
    await label({ stage: `attempt-${attempt}`, region: 'north' })
    if (attempt === 1) throw new Error('again')
    await label({ stage: 'done' })
    await label({ stage: 'done' })
    return null
  },
  { input: z.unknown() },
)
const overlabelled = work(
  'test.overlabelled',
  async (_input, { label }) => label(Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`l${n}`, '']))).then(() => null),
  {
    input: z.unknown(),
    policy: { attempts: 1, timeoutMs: 60_000, backoff: { initialMs: 0, factor: 1, maxMs: 0 }, whenLost: 'retry' },
  },
)
const failing = work(
  'test.failing',
  async () => {
    throw new Error('no')
  },
  {
    input: z.unknown(),
    policy: { attempts: 1, timeoutMs: 60_000, backoff: { initialMs: 0, factor: 1, maxMs: 0 }, whenLost: 'retry' },
  },
)

let app: TestApp
beforeAll(async () => {
  app = await startApp({}, { works: [labelled, overlabelled, failing] })
})
afterAll(() => app.stop())

const wait = { Prefer: 'wait=60' }
const submit = async (kind: string, labels: Readonly<Record<string, string>> = {}, input: object = {}, headers = {}) =>
  (await app.ask('POST /v1/operations', { body: { kind, input, labels }, headers })).json
const stateOf = async (id: string) => (await app.ask(`GET /v1/operations/${id}`)).json.state
const idsOf = async (query: string): Promise<readonly string[]> =>
  (await app.ask(`GET /v1/operations?${query}&limit=1000&order=asc`)).json.items.map(({ id }: { id: string }) => id)

test('a work sets labels, beside those of the request and instead of its own', async () => {
  const ended = await submit('test.labelled', { region: 'south', team: 'search' }, {}, wait)
  expect(ended).toMatchObject({ state: 'succeeded', attempt: 2 })
  expect(ended.labels).toEqual({ region: 'north', team: 'search', stage: 'done' })
  for (const found of ['stage:done', 'region:north', 'stage', 'team:search'])
    expect(await idsOf(`label=${found}&kind=test.labelled`)).toEqual([ended.id])
  for (const other of ['region:south', 'stage:attempt-1', 'stage:attempt-2']) expect(await idsOf(`label=${other}`)).toEqual([])
  const events = (await app.ask(`GET /v1/operations/${ended.id}/events`)).json.items as { type: string; data: object }[]
  expect(events.filter(({ type }) => type === 'OperationLabelled').map(({ data }) => data)).toEqual([
    { attempt: 1, labels: { stage: 'attempt-1', region: 'north' } },
    { attempt: 2, labels: { stage: 'attempt-2' } },
    { attempt: 2, labels: { stage: 'done' } },
  ])
  await app.app.ports.projections.rebuild('operations')
  expect((await app.ask(`GET /v1/operations/${ended.id}`)).json.labels).toEqual(ended.labels)
  expect(await idsOf('label=stage:done')).toEqual([ended.id])
})

test('more labels than a request may have fail the work', async () => {
  expect(await submit('test.overlabelled', {}, {}, wait)).toMatchObject({ state: 'failed', error: { type: 'invalid-labels' } })
})

test('operations are counted by state, kind and face, as the filters of the list find them', async () => {
  for (const echo of [1, 2, 3]) await submit('probe', { counted: 'yes', odd: String(echo % 2) }, { echo }, wait)
  await submit('test.failing', { counted: 'yes', odd: '1' }, {}, wait)
  const counts = async (query: string) => (await app.ask(`GET /v1/operations:counts?${query}`)).json
  expect(await counts('label=counted')).toEqual({
    byState: { failed: 1, succeeded: 3 },
    byKind: { probe: 3, 'test.failing': 1 },
    byFace: { native: 4 },
  })
  expect(await counts('label=counted&label=odd:1')).toMatchObject({ byKind: { probe: 2, 'test.failing': 1 } })
  expect((await counts('label=counted&state=failed')).byKind).toEqual({ 'test.failing': 1 })
  const kept = await counts('kind=probe&kind=test.failing')
  const listed = await counts('kind=probe&kind=test.failing&principal=anonymous')
  expect(kept).toEqual(listed)
  expect(await counts('state=timed-out')).toEqual({ byState: {}, byKind: {}, byFace: {} })
  await app.app.ports.projections.rebuild('operations')
  expect(await counts('kind=probe&kind=test.failing')).toEqual(kept)
  expect(problem(await app.ask('GET /v1/operations:counts?stat=failed'))).toEqual(isProblem('invalid', 400))
})

test('what a filter finds is cancelled, once its number is confirmed', async () => {
  const waiting = await Promise.all(
    [1, 2, 3].map(() => submit('probe', { bulk: 'cancel' }, { sleepMs: 600_000 }).then(({ id }) => id as string)),
  )
  const ended = await submit('probe', { bulk: 'cancel' }, {}, wait)
  const filter = { label: 'bulk:cancel' }
  const ask = (body: object, headers = {}) => app.ask('POST /v1/operations:cancel', { body: { filter, ...body }, headers })
  const preview = await ask({})
  expect(preview.json).toEqual({ count: 3, sample: [...waiting].sort() })
  expect(preview.status).toBe(200)
  const differs = await ask({ expected: 4 })
  expect(problem(differs)).toEqual(isProblem('count-differs', 409))
  expect(differs.json).toMatchObject({ expected: 4, actual: 3 })
  for (const id of waiting) expect(['pending', 'running']).toContain(await stateOf(id))
  const done = await ask({ expected: 3, reason: 'not needed' }, wait)
  expect(done).toMatchObject({ status: 200, json: { kind: 'bulk.cancel', state: 'succeeded', result: { succeeded: 3 } } })
  expect(done.json.input).toEqual({ filter: { label: ['bulk:cancel'] }, reason: 'not needed' })
  expect(done.json.targets).toMatchObject({ total: 3, succeeded: 3 })
  for (const id of waiting) {
    const { state } = (await app.ask(`GET /v1/operations/${id}?wait=60`)).json
    expect(state).toBe('cancelled')
    const events = (await app.ask(`GET /v1/operations/${id}/events`)).json.items
    const [cancel] = events.filter(({ type }: { type: string }) => /Cancel/.test(type))
    expect(cancel.data.reason).toBe('not needed')
    expect(cancel.metadata.actor.principal).toBe('anonymous')
  }
  expect(await stateOf(ended.id)).toBe('succeeded')
  expect((await ask({})).json).toEqual({ count: 0, sample: [] })
  expect((await ask({ expected: 0 }, wait)).json).toMatchObject({ state: 'succeeded', result: { succeeded: 0 } })
})

test('what cannot be cancelled any more is a failed target, and the others are cancelled', async () => {
  const { ports } = app.app
  const sleeping = await submit('probe', {}, { sleepMs: 600_000 })
  const over = await submit('probe', {}, {}, wait)
  const targets = { names: [over.id, sleeping.id, '019ab2c4-0000-7000-8000-000000000000'] }
  const asked = { commandId: crypto.randomUUID(), correlationId: 'c', actor: { principal: 'tester', face: null, address: null } }
  const request = { kind: 'bulk.cancel', input: { filter: {}, reason: null }, targets }
  await ports.submit(request, asked, { internal: true })
  const { json } = await app.ask(`GET /v1/operations/${asked.commandId}?wait=60`)
  expect(json).toMatchObject({ state: 'failed', error: { type: 'targets-failed', details: { failed: 2, skipped: 0 } } })
  const items = (await app.ask(`GET /v1/operations/${asked.commandId}/targets?state=failed`)).json.items
  expect(items.map(({ error }: { error: { type: string; message: string } }) => error)).toEqual([
    { type: 'impossible-transition', message: 'the operation is succeeded already', retryable: false },
    { type: 'impossible-transition', message: 'the operation refuses it: unknown-operation', retryable: false },
  ])
  expect(['cancelling', 'cancelled']).toContain(await stateOf(sleeping.id))
})

test('what a filter finds is retried, each once', async () => {
  const failed = await Promise.all([1, 2].map(() => submit('test.failing', { bulk: 'retry' }, {}, wait)))
  await submit('probe', { bulk: 'retry' }, {}, wait)
  const filter = { label: ['bulk:retry'], kind: ['test.failing', 'probe'] }
  const body = { filter, expected: 2 }
  expect((await app.ask('POST /v1/operations:retry', { body: { filter } })).json.count).toBe(2)
  const headers = { ...wait, 'Idempotency-Key': 'retry-them' }
  const done = await app.ask('POST /v1/operations:retry', { body, headers })
  expect(done.json).toMatchObject({ kind: 'bulk.retry', state: 'succeeded', result: { succeeded: 2 } })
  expect((await app.ask('POST /v1/operations:retry', { body, headers })).json.id).toBe(done.json.id)
  const targets = (await app.ask(`GET /v1/operations/${done.json.id}/targets`)).json.items as { result: { operation: string } }[]
  const retries = await Promise.all(
    targets.map(async ({ result }) => (await app.ask(`GET /v1/operations/${result.operation}?wait=60`)).json),
  )
  expect(retries.map(({ retryOf }) => retryOf).sort()).toEqual(failed.map(({ id }) => id).sort())
  expect(retries.every(({ labels }) => labels.bulk === 'retry')).toBe(true)
  expect(await idsOf('label=bulk:retry&kind=test.failing')).toHaveLength(4)
  const why = (await app.ask(`GET /v1/operations/${retries[0].id}/why`)).json
  expect(why.cause[0]).toMatchObject({ type: 'OperationRequested', stream: `operation-${retries[0].retryOf}` })
})

test.each([
  [{}, '/filter'],
  [{ filter: { stat: 'failed' } }, '/filter/stat'],
  [{ filter: { state: 'broken' } }, '/filter/state'],
  [{ filter: { from: 'yesterday' } }, '/filter/from'],
  [{ filter: { kind: [] } }, '/filter/kind'],
  [{ filter: {}, expected: -1 }, '/expected'],
  [{ filter: {}, all: true }, '/all'],
])('%j is no bulk request', async (body, pointer) => {
  const answer = await app.ask('POST /v1/operations:cancel', { body })
  expect(problem(answer)).toEqual(isProblem('invalid', 400))
  expect(answer.json.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer)
})

test('the kinds are for the routes alone', async () => {
  const body = { kind: 'bulk.cancel', input: { filter: {}, reason: null } }
  expect(problem(await app.ask('POST /v1/operations', { body }))).toEqual(isProblem('kind-not-submittable', 403))
})
