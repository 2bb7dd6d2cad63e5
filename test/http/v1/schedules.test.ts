import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { systemClock } from '../../../src/lib/clock.ts'
import { newId } from '../../../src/lib/ids.ts'
import type { Work } from '../../../src/workers/work.ts'
import { work } from '../../workers/engine.ts'
import { type Ask, isProblem, problem, startApp, type TestApp } from '../app.ts'

const login = work('login', async ({ password }) => ({ length: password.length }), {
  input: z.strictObject({ password: z.string().meta({ secret: true }) }),
})
const internal = work('internal', async () => null, { submittable: false, input: z.strictObject({}) })

let app: TestApp
beforeAll(async () => {
  app = await startApp({}, { works: [login as Work, internal as Work] })
})
afterAll(() => app.stop())

const farAway = { cron: '0 0 1 1 *' }
const probe = { kind: 'probe', input: { echo: 'tick' } }
const ask = (line: string, body?: unknown, more: Ask = {}) => app.ask(line, { ...(body === undefined ? {} : { body }), ...more })
const make = (name: string, more: object = {}) =>
  ask('POST /v1/schedules', { name, ...probe, ...('everyMs' in more || 'at' in more ? {} : farAway), ...more })

const defaults = {
  ...{ lane: null, priority: 100, policy: {}, labels: {}, limits: [], cron: null, timeZone: 'UTC', everyMs: null, at: null },
  ...{ jitterMs: 0, overlap: 'skip', catchUp: 'last', paused: false, last: null },
}

/** Asks until a slot has been fired or skipped. */
const afterSlot = async (name: string) => {
  for (;;) {
    const answer = await ask(`GET /v1/schedules/${encodeURIComponent(name)}`)
    if (answer.json.last !== null) return answer
    await systemClock.sleep(20)
  }
}

describe('creating', () => {
  test('answers 201 with every member, its place, its tag and where the change is in the log', async () => {
    const made = await make('nightly', { cron: '30 2 * * *', timeZone: 'Europe/Berlin' })
    expect(made.status).toBe(201)
    expect(made.headers.get('location')).toBe('/v1/schedules/nightly')
    expect(made.headers.get('etag')).toBe('"0"')
    expect(made.headers.get('event-position')).toMatch(/^\d+$/)
    const { next, ...members } = made.json
    expect(members).toEqual({ name: 'nightly', ...probe, ...defaults, cron: '30 2 * * *', timeZone: 'Europe/Berlin' })
    expect(Object.keys(made.json).slice(-3)).toEqual(['paused', 'next', 'last'])
    expect(next).toHaveLength(10)
    for (const time of next) expect(time).toMatch(/^\d{4}-\d\d-\d\dT0[01]:30:00\.000Z$/)
    expect((await ask('GET /v1/schedules/nightly')).json).toEqual(made.json)
  })

  test('takes every member', async () => {
    const wanted = {
      ...{ lane: 'docs', priority: 7, policy: { attempts: 2, timeoutMs: 1000 }, labels: { team: 'search' }, limits: ['api'] },
      ...{ everyMs: 3_600_000, jitterMs: 5000, overlap: 'queue', catchUp: 'all', paused: true },
    }
    const made = await make('whole', wanted)
    const { next, ...members } = made.json
    expect(members).toEqual({ name: 'whole', ...probe, ...defaults, ...wanted })
    const times = next.map((time: string) => Date.parse(time))
    expect(times.slice(1).map((time: number, n: number) => time - times[n])).toEqual(Array(9).fill(3_600_000))
  })

  test('a one-shot is shown in UTC and has one time', async () => {
    const made = await make('once', { at: '2999-01-01T02:00:00+02:00' })
    expect(made.json).toMatchObject({ at: '2999-01-01T00:00:00.000Z', next: ['2999-01-01T00:00:00.000Z'] })
  })

  test('null stands for a member that is left out', async () =>
    expect((await make('nulls', { everyMs: null, at: null, lane: null, ...farAway })).status).toBe(201))

  test('a name may hold anything', async () => {
    for (const name of ['a/b', 'ü 🌙', '%2F', 'x'.repeat(200), '?a=b#c', '-', 'new\nline', 'pause']) {
      const made = await make(name)
      expect(made.headers.get('location')).toBe(`/v1/schedules/${encodeURIComponent(name)}`)
      expect((await ask(`GET ${made.headers.get('location')}`)).json.name).toBe(name)
      expect((await ask(`POST ${made.headers.get('location')}/pause`)).json.paused).toBe(true)
      expect((await ask(`DELETE ${made.headers.get('location')}`)).status).toBe(204)
    }
  })

  test('a taken name is refused', async () => {
    await make('taken')
    expect(problem(await make('taken'))).toEqual(isProblem('exists', 409))
  })

  test.each([
    ['/name', { name: '' }],
    ['/name', { name: 'x'.repeat(201) }],
    ['/name', { name: '..' }],
    ['/name', { name: 7 }],
    ['/cron', {}],
    ['/cron', { cron: '61 * * * *' }],
    ['/cron', { cron: '* * * *' }],
    ['/cron', { cron: '0 0 30 2 *' }],
    ['/cron', { cron: '@daily' }],
    ['/everyMs', { cron: '* * * * *', everyMs: 1000 }],
    ['/everyMs', { everyMs: 0 }],
    ['/everyMs', { everyMs: 1.5 }],
    ['/at', { everyMs: 1000, at: '2030-01-01T00:00:00Z' }],
    ['/at', { at: 'tomorrow' }],
    ['/timeZone', { ...farAway, timeZone: 'Mars/Phobos' }],
    ['/timeZone', { ...farAway, timeZone: '+02:00' }],
    ['/jitterMs', { ...farAway, jitterMs: -1 }],
    ['/overlap', { ...farAway, overlap: 'sometimes' }],
    ['/catchUp', { ...farAway, catchUp: 'some' }],
    ['/paused', { ...farAway, paused: 'yes' }],
    ['/priority', { ...farAway, priority: 1001 }],
    ['/labels', { ...farAway, labels: { '': 'x' } }],
    ['/policy/tries', { ...farAway, policy: { tries: 1 } }],
    ['/runAt', { ...farAway, runAt: '2030-01-01T00:00:00Z' }],
    ['/kind', { ...farAway, kind: 'nothing' }],
    ['/input/sleepMs', { ...farAway, input: { sleepMs: -1 } }],
    ['/input', { ...farAway, input: undefined }],
  ])('points at %s of %j', async (pointer, more) => {
    const refused = await ask('POST /v1/schedules', { name: 'wrong', ...probe, ...more })
    expect(problem(refused)).toEqual(isProblem('invalid', 400))
    expect(refused.json.errors.map((error: { pointer: string }) => error.pointer)[0]).toContain(pointer)
  })

  test('a kind of a face alone is refused as for submitting', async () =>
    expect(problem(await make('inner', { kind: 'internal', input: {} }))).toEqual(isProblem('kind-not-submittable', 403)))

  test('the same Idempotency-Key makes one', async () => {
    const headers = { 'Idempotency-Key': newId() }
    const body = { name: 'keyed', ...probe, ...farAway }
    const first = await app.ask('POST /v1/schedules', { body, headers })
    const second = await app.ask('POST /v1/schedules', { body, headers })
    expect([first.status, second.status, second.headers.get('idempotency-replayed')]).toEqual([201, 201, 'true'])
    expect(second.text).toBe(first.text)
  })
})

describe('reading', () => {
  test('what is not there', async () => {
    expect(problem(await ask('GET /v1/schedules/nobody'))).toEqual(isProblem('not-found', 404))
    for (const line of ['PUT', 'DELETE'])
      expect(problem(await ask(`${line} /v1/schedules/nobody`, line === 'PUT' ? { ...probe, ...farAway } : undefined))).toEqual(
        isProblem('not-found', 404),
      )
    for (const verb of ['pause', 'resume', 'run-now'])
      expect(problem(await ask(`POST /v1/schedules/nobody/${verb}`))).toEqual(isProblem('not-found', 404))
  })

  test('a list goes on at its cursor, by name', async () => {
    for (const name of ['list 1', 'list 2', 'list 3']) await make(name)
    const names: string[] = []
    for (let cursor = ''; cursor !== null; ) {
      const { json } = await ask(`GET /v1/schedules?limit=2${cursor && `&cursor=${cursor}`}`)
      expect(json.items.length).toBeLessThanOrEqual(2)
      names.push(...json.items.map(({ name }: { name: string }) => name))
      cursor = json.next
    }
    expect(names).toEqual([...new Set(names)].sort())
    expect(names).toEqual(expect.arrayContaining(['list 1', 'list 2', 'list 3']))
    expect(problem(await ask('GET /v1/schedules?kind=probe'))).toEqual(isProblem('invalid', 400))
  })

  test('a tag that the client has answers 304', async () => {
    const { headers } = await make('tagged')
    const seen = await ask('GET /v1/schedules/tagged', undefined, { headers: { 'If-None-Match': headers.get('etag') ?? '' } })
    expect([seen.status, seen.text, seen.headers.get('etag')]).toEqual([304, '', headers.get('etag')])
  })

  test('the past shows it as it was', async () => {
    const made = await make('past')
    const position = made.headers.get('event-position')
    await ask('PUT /v1/schedules/past', { ...probe, everyMs: 3_600_000 })
    await ask('DELETE /v1/schedules/past')
    const past = await ask(`GET /v1/schedules/past?asOf=${position}`)
    expect(past.text).toBe(made.text)
    expect(problem(await ask('GET /v1/schedules/past'))).toEqual(isProblem('not-found', 404))
  })
})

describe('replacing', () => {
  test('members that are left out have their defaults again', async () => {
    await make('other', { lane: 'docs', paused: true, labels: { a: 'b' } })
    const replaced = await ask('PUT /v1/schedules/other', { name: 'other', kind: 'probe', input: {}, everyMs: 60_000 })
    expect([replaced.status, replaced.headers.get('etag')]).toEqual([200, '"1"'])
    const { next, ...members } = replaced.json
    expect(members).toEqual({ name: 'other', kind: 'probe', ...defaults, input: {}, everyMs: 60_000 })
    expect(next).toHaveLength(10)
  })

  test('the same again is not recorded', async () => {
    await make('same')
    const again = await ask('PUT /v1/schedules/same', { ...probe, ...farAway })
    expect([again.status, again.headers.get('etag')]).toEqual([200, '"0"'])
  })

  test('another name, or a wrong body, is refused', async () => {
    await make('fixed')
    const named = await ask('PUT /v1/schedules/fixed', { name: 'free', ...probe, ...farAway })
    expect([named.status, named.json.errors[0].pointer]).toEqual([400, '/name'])
    const wrong = await ask('PUT /v1/schedules/fixed', { ...probe, input: { sleepMs: 'x' }, ...farAway })
    expect([wrong.status, wrong.json.errors[0].pointer]).toEqual([400, '/input/sleepMs'])
  })

  test('If-Match pins what the client read, firings included', async () => {
    await make('pinned')
    const put = (tag: string) =>
      ask('PUT /v1/schedules/pinned', { ...probe, everyMs: 3_600_000 }, { headers: { 'If-Match': tag } })
    await ask('POST /v1/schedules/pinned/run-now', undefined, { headers: { Prefer: 'wait=10' } })
    const stale = await put('"0"')
    expect(problem(stale)).toEqual(isProblem('version-mismatch', 412))
    expect(stale.json).toMatchObject({ expected: '"0"', actual: '"1"' })
    expect((await put('"1"')).headers.get('etag')).toBe('"2"')
    expect((await put('*')).status).toBe(200)
    const gone = await ask('DELETE /v1/schedules/pinned', undefined, { headers: { 'If-Match': '"1"' } })
    expect(problem(gone)).toEqual(isProblem('version-mismatch', 412))
  })
})

describe('pausing and resuming', () => {
  test('answer 200, also where nothing changes, and nothing is fired meanwhile', async () => {
    await make('rests', { everyMs: 3_600_000 })
    for (const [verb, paused, tag] of [
      ['resume', false, '"0"'],
      ['pause', true, '"1"'],
      ['pause', true, '"1"'],
      ['resume', false, '"2"'],
    ]) {
      const answer = await ask(`POST /v1/schedules/rests/${verb}`)
      expect([answer.status, answer.json.paused, answer.headers.get('etag')]).toEqual([200, paused, tag])
      expect(answer.json.next).toHaveLength(10)
    }
  })
})

describe('firing', () => {
  test('a slot becomes an operation that names schedule and slot', async () => {
    await make('fires', { everyMs: 400, labels: { team: 'search' }, lane: 'docs', priority: 3, policy: { attempts: 1 } })
    const { json } = await afterSlot('fires')
    const { items } = (await ask('GET /v1/operations?schedule=fires&order=asc')).json
    expect(items[0]).toMatchObject({
      ...{ kind: 'probe', face: null, schedule: 'fires', input: { echo: 'tick' }, labels: { team: 'search' }, lane: 'docs' },
      ...{ maxAttempts: 1, requestedBy: { principal: 'scheduler', face: null, address: null } },
    })
    expect(items.map(({ slot }: { slot: string }) => slot)).toContain(json.last.slot)
    const late = Date.parse(items[0].requestedAt) - Date.parse(items[0].slot)
    expect(late).toBeGreaterThanOrEqual(0)
    expect(json.last).toEqual({ slot: expect.any(String), operation: expect.any(String), skipped: null })
    expect(Date.parse(json.next[0])).toBe(Date.parse(json.last.slot) + 400)
    await ask('DELETE /v1/schedules/fires')
  })

  test('a one-shot fires once, also where its time has gone by', async () => {
    await make('now', { at: '2020-01-01T00:00:00Z' })
    const { json } = await afterSlot('now')
    expect(json).toMatchObject({ next: [], last: { slot: '2020-01-01T00:00:00.000Z', skipped: null } })
    await ask('PUT /v1/schedules/now', { ...probe, at: '2020-01-01T00:00:00Z', priority: 1 })
    expect((await ask('GET /v1/operations?schedule=now')).json.items).toHaveLength(1)
  })

  test('run-now answers 202 with the operation, whatever is paused', async () => {
    await make('by hand', { paused: true })
    const before = systemClock.now()
    const ran = await ask('POST /v1/schedules/by%20hand/run-now')
    expect(ran.status).toBe(202)
    expect(ran.headers.get('location')).toBe(`/v1/operations/${ran.json.id}`)
    expect(ran.headers.get('operation-id')).toBe(ran.json.id)
    expect(ran.json).toMatchObject({ kind: 'probe', schedule: 'by hand', requestedBy: { principal: 'anonymous' } })
    expect(Date.parse(ran.json.slot)).toBeGreaterThanOrEqual(Math.floor(before))
    expect((await ask('GET /v1/schedules/by%20hand')).json.last).toEqual({
      ...{ slot: ran.json.slot, operation: ran.json.id, skipped: null },
    })
    const waited = await ask('POST /v1/schedules/by%20hand/run-now', {}, { headers: { Prefer: 'wait=30' } })
    expect([waited.status, waited.json.state]).toEqual([200, 'succeeded'])
  })

  test('run-now with the same Idempotency-Key runs once', async () => {
    await make('keyed run')
    const headers = { 'Idempotency-Key': newId() }
    const ids = await Promise.all([0, 1].map(() => ask('POST /v1/schedules/keyed%20run/run-now', undefined, { headers })))
    const again = await ask('POST /v1/schedules/keyed%20run/run-now', undefined, { headers })
    expect(ids.filter(({ status }) => status === 202).map(({ json }) => json.id)).toContain(again.json.id)
    expect((await ask('GET /v1/operations?schedule=keyed%20run')).json.items).toHaveLength(1)
  })
})

describe('deleting', () => {
  test('answers 204, and the name is free again with tags of its own', async () => {
    await make('short')
    const { headers } = await ask('POST /v1/schedules/short/pause')
    const deleted = await ask('DELETE /v1/schedules/short')
    expect([deleted.status, deleted.text]).toEqual([204, ''])
    expect(problem(await ask('DELETE /v1/schedules/short'))).toEqual(isProblem('not-found', 404))
    const again = await make('short')
    expect(again.status).toBe(201)
    expect(Number(again.headers.get('etag')?.slice(1, -1))).toBeGreaterThan(Number(headers.get('etag')?.slice(1, -1)))
  })

  test('secrets are sealed for the schedule, work, show nowhere, and are forgotten with it', async () => {
    const made = await make('secret', { kind: 'login', input: { password: 'hunter2-hunter2' } })
    expect(made.json.input).toEqual({ password: '***' })
    const ran = await ask('POST /v1/schedules/secret/run-now', undefined, { headers: { Prefer: 'wait=30' } })
    expect(ran.json).toMatchObject({ state: 'succeeded', result: { length: 15 }, input: { password: '***' } })
    await ask('PUT /v1/schedules/secret', { kind: 'login', input: { password: 'hunter2-hunter2' }, everyMs: 300 })
    const { json } = await afterSlot('secret')
    const position = made.headers.get('event-position') ?? ''
    const { items } = (await ask('GET /v1/secrets?limit=1000', undefined, { headers: { 'Event-Position': position } })).json
    const [subject] = items.filter(({ usedBy }: { usedBy: readonly string[] }) => usedBy.includes(ran.json.id))
    expect(subject).toMatchObject({ subject: expect.stringMatching(/^schedule-/), forgottenAt: null })
    expect(subject.usedBy).toEqual(expect.arrayContaining([expect.stringMatching(/^schedule-/)]))
    expect(json.last.skipped).toBeNull()
    expect((await ask('GET /v1/events?limit=1000&category=schedule')).text).not.toContain('hunter2')
    expect((await ask('DELETE /v1/schedules/secret')).status).toBe(204)
    const forgotten = (await ask('GET /v1/secrets?limit=1000')).json.items
    expect(forgotten.find((one: { subject: string }) => one.subject === subject.subject).forgottenAt).not.toBeNull()
    expect((await ask(`GET /v1/streams/secret-${subject.subject}`)).json.items.map(({ type }: { type: string }) => type)).toEqual(
      ['SecretForgetRequested', 'SecretForgotten'],
    )
  })

  test('a schedule whose secrets were forgotten skips, and says so', async () => {
    await make('forgetful', { kind: 'login', input: { password: 'hunter2-hunter2' }, everyMs: 300, paused: true })
    const { items } = (await ask('GET /v1/secrets?limit=1000')).json
    const subject = items.find((one: { forgottenAt: string | null }) => one.forgottenAt === null).subject
    await ask(`DELETE /v1/secrets/${subject}`)
    expect(problem(await ask('POST /v1/schedules/forgetful/run-now'))).toEqual(isProblem('secret-forgotten', 409))
    await ask('POST /v1/schedules/forgetful/resume')
    expect((await afterSlot('forgetful')).json.last.skipped).toContain('forgotten')
    await ask('DELETE /v1/schedules/forgetful')
  })
})

test('a face keeps schedules for itself', async () => {
  const { schedules } = app.app.ports
  const context = () => ({
    commandId: newId(),
    correlationId: newId(),
    actor: { principal: 'robot', face: 'robot', address: null },
  })
  const own = { owner: 'robot', name: 'recurring', kind: 'internal', input: {}, everyMs: 3_600_000, afterLast: true } as const
  const made = await schedules.ensure(own, context())
  expect(made.refused).toBeUndefined()
  expect(await schedules.ensure(own, context())).toMatchObject({ position: null })
  const fired = async () => (await ask('GET /v1/operations?schedule=recurring&face=robot')).json.items
  while ((await fired()).length === 0) await systemClock.sleep(20)
  expect((await fired())[0]).toMatchObject({ kind: 'internal', face: 'robot', requestedBy: { principal: 'scheduler' } })
  expect(problem(await ask('GET /v1/schedules/recurring'))).toEqual(isProblem('not-found', 404))
  expect((await make('recurring')).status).toBe(201)
  expect((await schedules.remove({ owner: 'robot', name: 'recurring' }, context())).refused).toBeUndefined()
  expect((await ask('GET /v1/schedules/recurring')).status).toBe(200)
})
