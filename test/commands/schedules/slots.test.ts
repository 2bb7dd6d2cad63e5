import { expect, test } from 'vitest'
import { dueAt, firingId, nextSlot, nextSlots, type Standing } from '../../../src/commands/schedules/slots.ts'

const begin = Date.parse('2027-01-01T00:00:00Z')
const every = 5_000
const timing = { cron: null, timeZone: 'UTC', everyMs: null, at: null, jitterMs: 0 }
const interval: Standing = {
  ...{ uid: 'one', anchor: begin, since: begin, handled: null, firedAt: null },
  timing: { ...timing, everyMs: every },
}
const once: Standing = { ...interval, timing: { ...timing, at: '2027-01-01T00:00:00.000Z' } }

test('an interval begins one interval after it was made', () =>
  expect(nextSlots(interval, 3)).toEqual([begin + every, begin + 2 * every, begin + 3 * every]))
test('it goes on after the last slot', () => expect(nextSlot({ ...interval, handled: begin + every })).toBe(begin + 2 * every))
test('resumed, it keeps its beat', () => expect(nextSlot({ ...interval, since: begin + every + 1 })).toBe(begin + 2 * every))
test('an interval after the last firing begins at once', () => {
  const afterLast: Standing = { ...interval, timing: { ...interval.timing, afterLast: true } }
  expect(nextSlots(afterLast, 2)).toEqual([begin, begin + every])
  expect(nextSlot({ ...afterLast, handled: begin, firedAt: begin + 700 })).toBe(begin + 700 + every)
})
test('a one-shot has one slot', () => {
  expect(nextSlots(once, 10)).toEqual([begin])
  expect(nextSlots({ ...once, handled: begin }, 10)).toEqual([])
  expect(nextSlots({ ...once, since: begin + 1 }, 10)).toEqual([begin])
})

test('jitter is the same each time, within its bounds, and differs from slot to slot', () => {
  const jittery = { ...interval, timing: { ...interval.timing, jitterMs: 1000 } }
  const delays = Array.from({ length: 100 }, (_, n) => dueAt(jittery, begin + n * every) - (begin + n * every))
  expect(delays).toEqual(Array.from({ length: 100 }, (_, n) => dueAt(jittery, begin + n * every) - (begin + n * every)))
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...delays)).toBeLessThanOrEqual(1000)
  expect(new Set(delays).size).toBeGreaterThan(50)
})

test('the id of a firing is a version 7 that holds the slot, and another one for each schedule and slot', () => {
  const id = firingId('one', begin)
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(begin)
  expect(new Set([id, firingId('one', begin), firingId('two', begin), firingId('one', begin + 1)]).size).toBe(3)
})
