import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import type { JsonValue } from '../../../src/lib/json.ts'
import { startFace } from './harness.ts'

const info = (uuid: string, more = {}) => ({ uuid, appid: 'testapp', spiderid: 'link', action: 'info', ...more })
const success = (data: JsonValue) => ({ status: 'SUCCESS', data, error: null })
const poll = (uuid: string) => ({ poll_id: uuid })
const noMatch = { status: 'FAILURE', data: null, error: { message: 'Could not find matching poll_id' } }

/** Every answer goes through a poll. */
const atOnce = { settings: { responseWaitMs: 0 } }

describe('an answer that comes too late for its feed', () => {
  test('is polled once', async () => {
    const { post, hold, untilAnswer } = await startFace(atOnce)
    const held = hold('a')
    expect((await post('/feed', info('a'))).body).toEqual(success(poll('a')))
    expect(await post('/poll', poll('a'))).toMatchObject({ status: 404, body: noMatch })
    await held.started
    held.release({ uuid: 'a', any: 'thing' })
    await untilAnswer('a', 'stored')
    expect(await post('/poll', poll('a'))).toMatchObject({ status: 200, body: success({ uuid: 'a', any: 'thing' }) })
    expect(await post('/poll', poll('a'))).toMatchObject({ status: 404, body: noMatch })
  })

  test('is left to a poll by a server that goes down', async () => {
    const { post, hold, stop } = await startFace({ settings: { responseWaitMs: 600_000 } })
    const held = hold('a')
    const answered = post('/feed', info('a'))
    await held.started
    await stop()
    expect((await answered).body).toEqual(success(poll('a')))
  })

  test('goes to one of two polls', async () => {
    const { post, untilAnswer } = await startFace(atOnce)
    await post('/feed', info('a'))
    await untilAnswer('a', 'stored')
    const statuses = await Promise.all([1, 2, 3, 4, 5].map(async () => (await post('/poll', poll('a'))).status))
    expect(statuses.sort()).toEqual([200, 404, 404, 404, 404])
  })

  test('takes the place of an earlier one of the same uuid', async () => {
    const { post, untilAnswer } = await startFace(atOnce)
    await post('/feed', info('a', { spiderid: 'one' }))
    await untilAnswer('a', 'stored')
    await post('/feed', info('a', { spiderid: 'two' }))
    await untilAnswer('a', 'stored', 2)
    expect((await post('/poll', poll('a'))).body).toMatchObject({ data: { spiderid: 'two' } })
    expect((await post('/poll', poll('a'))).status).toBe(404)
    await untilAnswer('a', 'replaced')
    expect((await post('/poll', poll('a'))).status).toBe(404)
  })

  test('survives a restart, and so does a request without one', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'intendant-crawling-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const first = await startFace({ ...atOnce, directory })
    first.hold('waits')
    await first.post('/feed', info('waits'))
    await first.post('/feed', info('answered'))
    await first.untilAnswer('answered', 'stored')
    await first.stop()
    const second = await startFace({ ...atOnce, directory })
    expect((await second.post('/poll', poll('answered'))).status).toBe(200)
    await second.untilAnswer('waits', 'stored')
    expect((await second.post('/poll', poll('waits'))).status).toBe(200)
  })

  test('is gone after its retention', async () => {
    let now = systemClock.now()
    const { post, untilAnswer } = await startFace({ ...atOnce, clock: { ...systemClock, now: () => now } })
    await post('/feed', info('a'))
    await untilAnswer('a', 'stored')
    now += 8 * 86_400_000
    expect((await post('/poll', poll('a'))).status).toBe(404)
  })

  test('may have a uuid of any characters', async () => {
    const { post, untilAnswer } = await startFace(atOnce)
    for (const uuid of ['a:b||c', '😀', '\u0000', '\ud800', "'; --", ' ']) {
      await post('/feed', info(uuid))
      await untilAnswer(uuid, 'stored')
      expect((await post('/poll', poll(uuid))).body).toMatchObject({ data: { uuid } })
      expect((await post('/poll', poll(`${uuid}x`))).status).toBe(404)
    }
  })
})

describe('a feed that waits', () => {
  test('gets the answer, and no poll does', async () => {
    const { post, hold, untilAnswer } = await startFace()
    const held = hold('a')
    const answer = post('/feed', info('a'))
    await held.started
    expect((await post('/poll', poll('a'))).status).toBe(404)
    held.release({ uuid: 'a', any: 'thing' })
    expect((await answer).body).toEqual(success({ uuid: 'a', any: 'thing' }))
    expect((await post('/poll', poll('a'))).status).toBe(404)
    await untilAnswer('a', 'answered')
    expect((await post('/poll', poll('a'))).status).toBe(404)
  })

  test('gives a poll_id when the time is over', async () => {
    const { post, hold, untilAnswer } = await startFace({ settings: { responseWaitMs: 50 } })
    const held = hold('a')
    expect((await post('/feed', info('a'))).body).toEqual(success(poll('a')))
    held.release()
    await untilAnswer('a', 'stored')
    expect((await post('/poll', poll('a'))).status).toBe(200)
  })

  test('gives a poll_id at once when no answer will come', async () => {
    const { post, untilAnswer } = await startFace({ settings: { responseWaitMs: 600_000 } })
    expect((await post('/feed', info('a', { spiderid: 'fail' }))).body).toEqual(success(poll('a')))
    await untilAnswer('a', 'never')
    expect((await post('/poll', poll('a'))).status).toBe(404)
  })

  test('gets its own answer beside others of the same uuid', async () => {
    const { post } = await startFace()
    const spiders = ['one', 'two', 'three', 'four']
    const answers = await Promise.all(spiders.map((spiderid) => post('/feed', info('a', { spiderid }))))
    expect(answers.map(({ body }) => (body as { data: { spiderid: string } }).data.spiderid)).toEqual(spiders)
    expect((await post('/poll', poll('a'))).status).toBe(404)
  })

  test('does not take a late answer of the same uuid away', async () => {
    const { leave, post, hold, untilAnswer } = await startFace()
    const held = hold('a')
    await leave('/feed', info('a', { spiderid: 'late' }), held.started)
    held.release()
    await untilAnswer('a', 'stored')
    expect((await post('/feed', info('a', { spiderid: 'quick' }))).body).toMatchObject({ data: { spiderid: 'quick' } })
    expect((await post('/poll', poll('a'))).body).toMatchObject({ data: { spiderid: 'late' } })
  })

  test('whose client went away leaves its answer to a poll', async () => {
    const { leave, post, hold, untilAnswer } = await startFace()
    const held = hold('a')
    await leave('/feed', info('a'), held.started)
    held.release()
    await untilAnswer('a', 'stored')
    expect((await post('/poll', poll('a'))).status).toBe(200)
  })
})

test('requests and their answers can be looked at without taking them', async () => {
  const { post, send, ports, hold, untilAnswer } = await startFace(atOnce)
  hold('waits')
  await post('/feed', info('waits'))
  await post('/feed', info('stored'))
  await untilAnswer('stored', 'stored')
  await post('/feed', { uuid: 'never' })
  const list = async (query: string) =>
    (await send(`/v1/crawls/pending-answers${query}`, { headers: { 'Event-Position': await ports.log.head() } })).body
  expect(await list('')).toMatchObject({
    items: [
      { uuid: 'never', state: 'never', kind: null, reason: expect.any(String) },
      { uuid: 'stored', state: 'stored', kind: 'crawling.info', request: { spiderid: 'link' } },
      { uuid: 'waits', state: 'waiting' },
    ],
    next: null,
  })
  expect(await list('?state=stored&state=waiting&limit=1')).toMatchObject({
    items: [{ uuid: 'stored' }],
    next: expect.any(String),
  })
  const { next } = (await list('?limit=2')) as { next: string }
  expect(await list(`?limit=2&cursor=${next}`)).toMatchObject({ items: [{ uuid: 'waits' }], next: null })
  expect(await list('?uuid=waits')).toMatchObject({ items: [{ uuid: 'waits' }] })
  expect(await list('?uid=waits')).toMatchObject({ type: 'urn:intendant:problem:invalid', errors: [{ pointer: '?uid' }] })
  expect((await post('/poll', poll('stored'))).status).toBe(200)
})

test.each<readonly [string, JsonValue, string]>([
  ['an array', [], "[] is not of type u'object'"],
  ['no poll_id', {}, "u'poll_id' is a required property"],
  ['a further key', { poll_id: 'a', crazykey: 1 }, "Additional properties are not allowed (u'crazykey' was unexpected)"],
])('a poll with %s is 400 with the cause', async (_name, body, cause) => {
  const { post } = await startFace()
  expect(await post('/poll', body)).toMatchObject({
    status: 400,
    body: { status: 'FAILURE', data: null, error: { message: 'JSON did not validate against schema.', cause } },
  })
})
