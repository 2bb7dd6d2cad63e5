import { expect, test } from 'vitest'
import { batch } from '../../../src/commands/batch.ts'
import { finishBatch } from '../../../src/commands/submit-batch.ts'
import { type BatchEvent, batchEvents } from '../../../src/events/batch.ts'
import { childId, derivedId, isUuid, newId } from '../../../src/lib/ids.ts'
import { openBatches } from '../../../src/projections/batches.ts'
import { given } from '../../given.ts'
import { isProblem, problem, useApp } from '../app.ts'

const shared = useApp()

const probe = (echo: unknown, more: object = {}) => ({ kind: 'probe', input: { echo }, ...more })

const listed = async (label: string) =>
  (await shared.it.ask(`GET /v1/operations?label=${encodeURIComponent(label)}&order=asc&limit=1000`)).json.items as {
    id: string
    correlationId: string
    requestedBy: unknown
  }[]

test('a batch is accepted as a whole, in its order', async () => {
  const { it } = shared
  const items = Array.from({ length: 250 }, (_, n) => probe(n, { labels: { batch: 'whole' } }))
  const answer = await it.ask('POST /v1/operations:batch', { body: { items } })
  expect(answer.status).toBe(202)
  const ids: string[] = answer.json.items.map(({ id }: { id: string }) => id)
  expect(answer.json.items[0]).toEqual({ id: ids[0], location: `/v1/operations/${ids[0]}` })
  expect(ids).toEqual([...ids].sort())
  expect(new Set(ids).size).toBe(250)
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/)
  const found = await listed('batch:whole')
  expect(found.map(({ id }) => id)).toEqual(ids)
  expect(new Set(found.map(({ correlationId }) => correlationId)).size).toBe(1)
  expect((await it.ask(`GET /v1/operations/${ids[7]}?wait=30`)).json).toMatchObject({ state: 'succeeded', result: { echo: 7 } })
  const why = (await it.ask(`GET /v1/operations/${ids[7]}/why`)).json
  expect(why.cause.map(({ type }: { type: string }) => type)).toEqual(['BatchAccepted', 'OperationRequested'])
})

test('where one item is refused nothing is submitted, and its place is named', async () => {
  const { it } = shared
  const good = probe(1, { labels: { batch: 'none' } })
  const refusals = [
    [{ ...good, kind: 'nothing' }, '/items/1/kind'],
    [{ ...good, input: { sleepMs: -1 } }, '/items/1/input/sleepMs'],
    [{ ...good, prioriti: 1 }, '/items/1/prioriti'],
    [{ kind: 'bulk.cancel', input: { filter: {}, reason: null } }, '/items/1/kind'],
    [7, '/items/1'],
  ] as const
  for (const [bad, pointer] of refusals) {
    const answer = await it.ask('POST /v1/operations:batch', { body: { items: [good, bad, good] } })
    expect(problem(answer)).toEqual(isProblem('invalid', 400))
    expect(answer.json.errors[0].pointer).toBe(pointer)
  }
  expect(await listed('batch:none')).toEqual([])
})

test('one by one, each item has its own answer', async () => {
  const { it } = shared
  const good = probe(1, { labels: { batch: 'some' } })
  const items = [good, { ...good, kind: 'nothing' }, { ...good, input: { sleepMs: -1 } }, good]
  const { status, json } = await it.ask('POST /v1/operations:batch', { body: { items, atomic: false } })
  expect(status).toBe(202)
  expect(json.items.map((item: object) => Object.keys(item))).toEqual([
    ['id', 'location'],
    ['error'],
    ['error'],
    ['id', 'location'],
  ])
  expect(json.items[2].error).toMatchObject({
    type: 'urn:intendant:problem:invalid',
    status: 400,
    errors: [{ pointer: '/items/2/input/sleepMs' }],
  })
  expect((await listed('batch:some')).map(({ id }) => id)).toEqual([json.items[0].id, json.items[3].id])
})

test('the same Idempotency-Key makes one batch', async () => {
  const { it } = shared
  const body = { items: [probe(1, { labels: { batch: 'once' } }), probe(2, { labels: { batch: 'once' } })] }
  const headers = { 'Idempotency-Key': 'batch-once' }
  const [first, second] = [
    await it.ask('POST /v1/operations:batch', { body, headers }),
    await it.ask('POST /v1/operations:batch', { body, headers }),
  ]
  expect(second.text).toBe(first.text)
  expect(second.headers.get('idempotency-replayed')).toBe('true')
  expect(await listed('batch:once')).toHaveLength(2)
})

test.each([
  ['no item', { items: [] }, '/items'],
  ['too many items', { items: Array.from({ length: 1001 }, () => probe(1)) }, '/items'],
  ['a text for atomic', { items: [probe(1)], atomic: 'yes' }, '/atomic'],
  ['an unknown member', { items: [probe(1)], all: true }, '/all'],
  ['no items', {}, '/items'],
])('%s is no batch', async (_name, body, pointer) => {
  const answer = await shared.it.ask('POST /v1/operations:batch', { body })
  expect(problem(answer)).toEqual(isProblem('invalid', 400))
  expect(answer.json.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer)
})

const context = () => ({
  commandId: newId(),
  correlationId: newId(),
  actor: { principal: 'tester', face: null, address: null },
})

test('what was accepted and cut off is finished, once', async () => {
  const { executor, log, projections } = shared.it.app.ports
  const asked = context()
  const id = asked.commandId
  const [whole] = (
    await shared.it.ask('POST /v1/operations:batch', { body: { items: [probe(1, { labels: { batch: 'cut' } })] } })
  ).json.items
  const request = (await shared.it.ask(`GET /v1/operations/${whole.id}/events`)).json.items[0].data
  const items = [0, 1].map((n) => ({ id: childId(id, n), request }))
  await executor.execute(batch, { type: 'AcceptBatch', id, items }, asked)
  expect(await projections.reached(await log.head(), { names: ['batches'] })).toBe(true)
  const open = () => openBatches(shared.it.app.ports.knowledge.present(['batches']).views('batches'))
  expect(open()).toEqual([id])
  await Promise.all([finishBatch({ executor, log }, id), finishBatch({ executor, log }, id)])
  await finishBatch({ executor, log }, id)
  await projections.reached(await log.head())
  expect(open()).toEqual([])
  const found = (await listed('batch:cut')).filter((one) => one.id !== whole.id)
  expect(found.map((one) => one.id)).toEqual(items.map((item) => item.id))
  expect(found[0]?.requestedBy).toMatchObject({ principal: 'tester' })
  expect((await shared.it.ask(`GET /v1/streams/batch-${id}`)).json.items.map(({ type }: { type: string }) => type)).toEqual([
    'BatchAccepted',
    'BatchCompleted',
  ])
})

test('a batch is accepted once and completed once', () => {
  const accepted: BatchEvent = { type: 'BatchAccepted', data: { items: [] } }
  const completed: BatchEvent = { type: 'BatchCompleted', data: {} }
  given(batch, []).when({ type: 'AcceptBatch', id: '1', items: [] }).then([accepted])
  given(batch, [accepted]).when({ type: 'AcceptBatch', id: '1', items: [] }).then([])
  given(batch, [accepted]).when({ type: 'CompleteBatch', id: '1' }).then([completed])
  given(batch, [accepted, completed]).when({ type: 'CompleteBatch', id: '1' }).then([])
  given(batch, []).when({ type: 'CompleteBatch', id: '1' }).then([])
  expect(batchEvents.schemas.BatchAccepted.safeParse({ items: [{}] }).success).toBe(false)
})

test('ids of items are of version 7, behind the id of their command and in their order', () => {
  const parent = newId()
  const ids = Array.from({ length: 1000 }, (_, n) => childId(parent, n))
  expect(ids.every((id) => isUuid(id) && id[14] === '7' && id.slice(0, 13) === parent.slice(0, 13))).toBe(true)
  expect(ids).toEqual([...ids].sort())
  expect((ids[0] ?? '') > parent).toBe(true)
  expect(childId(parent, 5)).toBe(ids[5])
  expect(childId(derivedId('x'), 'word')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})
