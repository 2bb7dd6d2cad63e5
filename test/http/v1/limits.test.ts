import { expect, test } from 'vitest'
import { isProblem, problem, useApp } from '../app.ts'

const shared = useApp()
const set = (key: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  shared.it.ask(`PUT /v1/limits/${encodeURIComponent(key)}`, { body, headers })
const get = (key: string, query = '') => shared.it.ask(`GET /v1/limits/${encodeURIComponent(key)}${query}`)

test('a limit is made, shown, replaced and removed', async () => {
  const made = await set('site:a/b', { concurrency: 2 })
  expect(made.status).toBe(201)
  const limit = { key: 'site:a/b', concurrency: 2, rate: null, running: 0, waiting: 0, windowUsed: null, revision: 0 }
  expect(made.json).toEqual(limit)
  expect(made.headers.get('etag')).toBe('"0"')
  expect(made.headers.get('event-position')).toMatch(/^\d+$/)
  const shown = await get('site:a/b')
  expect(shown.status).toBe(200)
  expect(shown.text).toBe(made.text)
  expect(shown.json).toEqual(limit)
  expect(shown.headers.get('etag')).toBe('"0"')

  const replaced = await set('site:a/b', { rate: { count: 3, perMs: 1000 } })
  expect(replaced.status).toBe(200)
  expect(replaced.json).toEqual({ ...limit, concurrency: null, rate: { count: 3, perMs: 1000 }, windowUsed: 0, revision: 1 })
  const again = await set('site:a/b', { rate: { count: 3, perMs: 1000 }, concurrency: null })
  expect(again.json).toEqual(replaced.json)

  const removed = await shared.it.ask('DELETE /v1/limits/site%3Aa%2Fb')
  expect({ status: removed.status, text: removed.text }).toEqual({ status: 204, text: '' })
  expect(removed.headers.get('event-position')).toMatch(/^\d+$/)
  expect(problem(await get('site:a/b'))).toEqual(isProblem('not-found', 404))
  expect(problem(await shared.it.ask('DELETE /v1/limits/site%3Aa%2Fb'))).toEqual(isProblem('not-found', 404))
  expect((await set('site:a/b', { concurrency: 1 })).status).toBe(201)
})

test.each([
  [{}, ''],
  [{ concurrency: null }, ''],
  [{ concurrency: -1 }, '/concurrency'],
  [{ concurrency: 1.5 }, '/concurrency'],
  [{ concurrency: 100_001 }, '/concurrency'],
  [{ concurrency: '1' }, '/concurrency'],
  [{ rate: { count: 0, perMs: 1 } }, '/rate/count'],
  [{ rate: { count: 1 } }, '/rate/perMs'],
  [{ rate: { count: 1, perMs: 0 } }, '/rate/perMs'],
  [{ rate: { count: 1, perMs: 1, burst: 2 } }, '/rate/burst'],
  [{ concurrency: 1, running: 3 }, '/running'],
])('%j is refused at %j', async (body, pointer) => {
  const answer = await set('refused', body)
  expect(problem(answer)).toEqual(isProblem('invalid', 400))
  expect(answer.json.errors).toEqual([{ pointer, message: expect.any(String) }])
  expect((await get('refused')).status).toBe(404)
})

test('a key is a name of 1 to 200 characters', async () => {
  expect((await set('k'.repeat(200), { concurrency: 1 })).status).toBe(201)
  for (const key of ['k'.repeat(201), 'a\nb'])
    expect(problem(await set(key, { concurrency: 1 }))).toEqual(isProblem('invalid', 400))
})

test('tags: If-None-Match and If-Match', async () => {
  await set('tagged', { concurrency: 1 })
  const known = await shared.it.ask('GET /v1/limits/tagged', { headers: { 'If-None-Match': '"0"' } })
  expect({ status: known.status, text: known.text }).toEqual({ status: 304, text: '' })
  const stale = await set('tagged', { concurrency: 2 }, { 'If-Match': '"7"' })
  expect(problem(stale)).toEqual(isProblem('version-mismatch', 412))
  expect(stale.json).toMatchObject({ expected: '"7"', actual: '"0"' })
  expect((await set('tagged', { concurrency: 2 }, { 'If-Match': '"0"' })).json).toMatchObject({ concurrency: 2, revision: 1 })
  const headers = { 'If-Match': '"0"' }
  expect(problem(await shared.it.ask('DELETE /v1/limits/tagged', { headers }))).toEqual(isProblem('version-mismatch', 412))
  expect((await shared.it.ask('DELETE /v1/limits/tagged', { headers: { 'If-Match': '"1"' } })).status).toBe(204)
  expect(problem(await set('tagged', { concurrency: 2 }, { 'If-Match': '*' }))).toEqual(isProblem('version-mismatch', 412))
  expect(problem(await shared.it.ask('DELETE /v1/limits/tagged', { headers }))).toEqual(isProblem('not-found', 404))
})

test('If-None-Match: * makes a limit, and replaces none', async () => {
  const onlyNew = { 'If-None-Match': '*' }
  expect((await set('only-new', { concurrency: 1 }, onlyNew)).status).toBe(201)
  const refused = await set('only-new', { concurrency: 2 }, onlyNew)
  expect(problem(refused)).toEqual(isProblem('version-mismatch', 412))
  expect(refused.json).toMatchObject({ actual: '"0"' })
  expect((await get('only-new')).json).toMatchObject({ concurrency: 1 })
  await shared.it.ask('DELETE /v1/limits/only-new')
  expect((await set('only-new', { concurrency: 2 }, onlyNew)).status).toBe(201)
})

test('limits are listed in the order of their keys, page by page', async () => {
  for (const key of ['page-b', 'page-a', 'page-c']) await set(key, { concurrency: 1 })
  const { json } = await shared.it.ask('GET /v1/limits')
  const keys = json.items.map(({ key }: { key: string }) => key)
  expect(keys).toEqual(keys.toSorted())
  expect(json.next).toBeNull()
  const paged: string[] = []
  for (let cursor = ''; cursor !== null; ) {
    const page = (await shared.it.ask(`GET /v1/limits?limit=2${cursor && `&cursor=${cursor}`}`)).json
    paged.push(...page.items.map(({ key }: { key: string }) => key))
    cursor = page.next
  }
  expect(paged).toEqual(keys)
})

test('what runs and what waits is counted, and said by those that wait', async () => {
  const { it } = shared
  await set('counted', { concurrency: 1, rate: { count: 100, perMs: 60_000 } })
  const ask = async () => (await it.probe({ sleepMs: 60_000 }, { limits: ['counted'] })).json.id
  const first = await ask()
  for (;;) if ((await it.ask(`GET /v1/operations/${first}`)).json.state === 'running') break
  const second = await ask()
  const third = await ask()
  expect((await get('counted')).json).toMatchObject({ running: 1, waiting: 2, windowUsed: 1 })
  const waits = (await it.ask(`GET /v1/operations/${second}`)).json
  expect(waits).toMatchObject({ state: 'pending', limits: ['counted'] })
  expect(waits.waitingFor).toEqual({
    reason: 'limit',
    detail: 'The limit counted is used up: 1 of 1 run or are about to. Others that wait and name it: 1.',
    since: waits.requestedAt,
    until: null,
    operation: null,
  })
  for (const id of [third, second, first]) await it.ask(`POST /v1/operations/${id}/cancel`)
})

test('a rate says until when it holds', async () => {
  const { it } = shared
  await set('slow', { rate: { count: 1, perMs: 3_600_000 } })
  await it.probe({}, { limits: ['slow'] }, { Prefer: 'wait=30' })
  const held = (await it.probe({}, { limits: ['slow'] })).json
  const { waitingFor } = (await it.ask(`GET /v1/operations/${held.id}`)).json
  expect(waitingFor).toMatchObject({
    reason: 'limit',
    detail: expect.stringContaining('slow is used up: 1 starts in 3600000 ms'),
  })
  expect(Date.parse(waitingFor.until) - Date.now()).toBeGreaterThan(3_000_000)
  expect((await get('slow')).json).toMatchObject({ windowUsed: 1, waiting: 1 })
  await it.ask('DELETE /v1/limits/slow')
  expect((await it.ask(`GET /v1/operations/${held.id}?wait=30`)).json.state).toBe('succeeded')
})

test('a limit of the past is shown as it was', async () => {
  const first = await set('past', { concurrency: 1 })
  await set('past', { concurrency: 2 })
  const as = `?asOf=${first.headers.get('event-position')}`
  expect((await get('past', as)).json).toMatchObject({ concurrency: 1, revision: 0 })
  expect((await get('never', as)).status).toBe(404)
})

test('nobody starts once the answer says that a limit lets nobody start', async () => {
  const { it } = shared
  await set('stopped', { concurrency: 3 })
  const ids = await Promise.all(
    Array.from({ length: 30 }, async () => (await it.probe({ sleepMs: 5 }, { limits: ['stopped'] })).json.id),
  )
  const { headers } = await set('stopped', { concurrency: 0 })
  const started = async () => {
    const { items } = (await it.ask('GET /v1/events?type=OperationStarted&limit=1000')).json
    return items.filter(({ stream }: { stream: string }) => ids.includes(stream.slice('operation-'.length))).length
  }
  const before = await started()
  // What is requested later goes through the same view, and passes those that are held.
  for (let n = 0; n < 5; n++) await it.probe({ sleepMs: 20 }, {}, { Prefer: 'wait=30' })
  expect(await started()).toBe(before)
  expect(headers.get('event-position')).not.toBeNull()
  await it.ask('DELETE /v1/limits/stopped')
  for (const id of ids) expect((await it.ask(`GET /v1/operations/${id}?wait=30`)).json.state).toBe('succeeded')
})
