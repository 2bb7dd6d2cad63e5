import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { systemClock } from '../../../src/lib/clock.ts'
import type { Work } from '../../../src/workers/work.ts'
import { startApp, type TestApp } from '../../http/app.ts'
import { settableClock, work } from '../engine.ts'

const minute = 60_000
/** An hour, and so much more that no slot is due at the moment. */
const aWhile = 65 * minute

interface Fired {
  readonly id: string
  readonly slot: string
  readonly state: string
  readonly lane: string | null
}

const firedBy = async (app: TestApp, name: string): Promise<readonly Fired[]> =>
  (await app.ask(`GET /v1/operations?schedule=${name}&limit=1000&order=asc`)).json.items

const shown = async (app: TestApp, name: string) => (await app.ask(`GET /v1/schedules/${name}`)).json

/** Asks until the answer is right; nothing else tells that a firing has not been skipped. */
const until = async <Value>(ask: () => Promise<Value>, isRight: (value: Value) => boolean): Promise<Value> => {
  for (;;) {
    const value = await ask()
    if (isRight(value)) return value
    await systemClock.sleep(20)
  }
}

const make = async (app: TestApp, name: string, more: object): Promise<void> => {
  const made = await app.ask('POST /v1/schedules', { body: { name, kind: 'probe', input: {}, ...more } })
  expect(made.status, made.text).toBe(201)
}

/** A server that is stopped, and started again 65 minutes later. */
const afterAWhile = async (prepare: (app: TestApp) => Promise<void>, look: (app: TestApp) => Promise<void>): Promise<void> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'intendant-schedules-'))
  const clock = settableClock()
  const first = await startApp({}, { dataDir, clock })
  await prepare(first)
  await first.app.stop()
  clock.set(aWhile)
  const second = await startApp({}, { dataDir, clock })
  await look(second)
  await second.stop()
}

test('what was missed is caught up as each schedule says', () =>
  afterAWhile(
    async (app) => {
      await make(app, 'none', { everyMs: 10 * minute, catchUp: 'none' })
      await make(app, 'last', { everyMs: 10 * minute })
      await make(app, 'all', { everyMs: 10 * minute, catchUp: 'all', input: { sleepMs: 5 } })
      await make(app, 'paused', { everyMs: 10 * minute, catchUp: 'all', paused: true })
      await make(app, 'once', { at: new Date(systemClock.now() + minute).toISOString() })
    },
    async (app) => {
      const slots = (fired: readonly Fired[]) => fired.map(({ slot }) => Date.parse(slot))
      const all = slots(
        await until(
          () => firedBy(app, 'all'),
          ({ length }) => length === 6,
        ),
      )
      expect(all.map((slot) => slot - (all[0] ?? 0))).toEqual([0, 1, 2, 3, 4, 5].map((n) => n * 10 * minute))
      const last = await until(
        () => firedBy(app, 'last'),
        ({ length }) => length > 0,
      )
      expect(last).toHaveLength(1)
      expect(
        await until(
          () => shown(app, 'none'),
          ({ last }) => last !== null,
        ),
      ).toMatchObject({
        last: { operation: null, skipped: expect.stringMatching(/^missed/) },
      })
      expect(
        await until(
          () => firedBy(app, 'once'),
          ({ length }) => length > 0,
        ),
      ).toHaveLength(1)
      expect(await firedBy(app, 'none')).toEqual([])
      expect(await firedBy(app, 'paused')).toEqual([])
      for (const name of ['none', 'last', 'all', 'paused'])
        expect(Date.parse((await shown(app, name)).next[0]), name).toBeGreaterThan(systemClock.now() + aWhile)
      expect((await shown(app, 'once')).next).toEqual([])
    },
  ))

test('a clock that leaps forward leaves out slots, and one that is set back stops no interval', async () => {
  const clock = settableClock()
  const app = await startApp({}, { clock })
  await make(app, 'none', { everyMs: 10 * minute, catchUp: 'none' })
  await make(app, 'often', { everyMs: 300 })
  // More than are worked on at a time.
  const many = Array.from({ length: 120 }, (_, index) => `many ${index}`)
  await Promise.all(many.map((name) => make(app, name, { everyMs: 10 * minute, catchUp: 'none' })))
  clock.set(aWhile)
  // Any change of a schedule makes it look.
  await make(app, 'other', { at: '2999-01-01T00:00:00Z' })
  await until(
    () => shown(app, 'none'),
    ({ last }) => last !== null,
  )
  expect((await shown(app, 'none')).last.skipped).toMatch(/^missed/)
  const before = (
    await until(
      () => firedBy(app, 'often'),
      ({ length }) => length > 2,
    )
  ).length
  clock.set(-aWhile)
  await until(
    () => firedBy(app, 'often'),
    ({ length }) => length > before + 3,
  )
  const restarted = async () => (await app.ask('GET /v1/events?category=schedule&type=ScheduleRestarted&limit=1000')).json.items
  const items = await until(restarted, ({ length }) => length > many.length)
  expect(items.map(({ data }: { data: { from: string } }) => Date.parse(data.from) < systemClock.now() + minute)).toContain(true)
  await app.stop()
})

test('overlapping slots are skipped, queued, or end the one before', async () => {
  const app = await startApp()
  for (const overlap of ['skip', 'queue', 'cancel-running'])
    await make(app, overlap, { everyMs: 200, overlap, input: { sleepMs: 500 } })
  const skipped = await until(
    () => shown(app, 'skip'),
    ({ last }) => last?.skipped != null,
  )
  expect(skipped.last).toMatchObject({ operation: null, skipped: expect.stringMatching(/^overlap: operation [0-9a-f-]{36} /) })
  const queued = await until(
    () => firedBy(app, 'queue'),
    (fired) => fired.filter(({ state }) => state === 'succeeded').length >= 2 && fired.some(({ state }) => state === 'pending'),
  )
  expect(new Set(queued.map(({ lane }) => lane)).size).toBe(1)
  expect(queued.filter(({ state }) => state === 'running').length).toBeLessThanOrEqual(1)
  const ended = await until(
    () => firedBy(app, 'cancel-running'),
    (fired) => fired.some(({ state }) => state === 'cancelled'),
  )
  expect(ended.some(({ state }) => state === 'succeeded')).toBe(false)
  await app.stop()
})

test('a kind that is faulty by now is a reason to skip', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'intendant-schedules-'))
  const first = await startApp({}, { dataDir, works: [work('gone', async () => null, { input: z.object({}) }) as Work] })
  await make(first, 'orphan', { kind: 'gone', everyMs: 200 })
  await first.app.stop()
  const second = await startApp({}, { dataDir })
  const { last } = await until(
    () => shown(second, 'orphan'),
    ({ last }) => last?.skipped != null,
  )
  expect(last.skipped).toBe('unknown-kind: there is no kind gone')
  await second.stop()
})
