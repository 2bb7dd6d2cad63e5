import fc from 'fast-check'
import { expect, test } from 'vitest'
import { instant, systemClock } from '../../../src/lib/clock.ts'
import { createStartWindows } from '../../../src/workers/engine/start-windows.ts'

const rate = { count: 3, perMs: 1000 }

/** A clock and the starts that a view shows; `slow` is how late it shows them. */
const opened = () => {
  let now = 0
  const recorded: number[] = []
  const clock = { ...systemClock, monotonic: () => now }
  const queries = {
    lastStart: () => recorded.length,
    latestStarts: (_key: string, count: number) => recorded.slice(-count).toReversed(),
  }
  return {
    recorded,
    windows: createStartWindows({ queries, clock }),
    wait: (ms: number) => {
      now += ms
      return now
    },
  }
}

test('a rate is kept over any window, whatever is asked when', () =>
  fc.assert(
    fc.property(fc.array(fc.record({ waits: fc.nat(900), asks: fc.boolean() }), { maxLength: 60 }), (steps) => {
      const { recorded, windows, wait } = opened()
      windows.observe(instant(0))
      for (const { waits, asks } of steps) {
        const now = wait(waits)
        windows.note('k')
        if (asks && windows.room('k', rate, 0).left > 0) recorded.push(now)
      }
      for (let n = rate.count; n < recorded.length; n++)
        expect((recorded[n] ?? 0) - (recorded[n - rate.count] ?? 0)).toBeGreaterThanOrEqual(rate.perMs)
    }),
  ))

test('it says when there is room again, and there is', () => {
  const { recorded, windows, wait } = opened()
  windows.observe(instant(0))
  expect(windows.room('k', rate, 0)).toEqual({ left: 3, afterMs: null })
  expect(windows.room('k', rate, 2)).toEqual({ left: 1, afterMs: null })
  recorded.push(wait(0), wait(10), wait(10))
  const { left, afterMs } = windows.room('k', rate, 0)
  expect(left).toBe(0)
  wait(afterMs ?? 0)
  expect(windows.room('k', rate, 0).left).toBeGreaterThan(0)
})

test('attempts that may start at any moment take their places, and time alone gives none back', () => {
  const { windows } = opened()
  expect(windows.room('k', rate, 3)).toEqual({ left: 0, afterMs: null })
  expect(windows.room('k', rate, 4)).toEqual({ left: -1, afterMs: null })
})

test('starts from before are as old as the log says, and fresh where it does not say how late it is', () => {
  const past = opened()
  past.recorded.push(1000, 1100, 1900)
  past.windows.observe(instant(2050))
  expect(past.windows.room('k', rate, 0).left).toBe(1)
  const unknown = opened()
  unknown.recorded.push(1000, 1100, 1900)
  expect(unknown.windows.knowsTime()).toBe(false)
  expect(unknown.windows.room('k', rate, 0).left).toBe(0)
  const setBack = opened()
  setBack.recorded.push(900_000, 900_100, 900_200)
  setBack.windows.observe(instant(2000))
  expect(setBack.windows.room('k', rate, 0).left).toBe(0)
  setBack.wait(1100)
  expect(setBack.windows.room('k', rate, 0).left).toBe(3)
})

test('a larger count looks further back', () => {
  const { recorded, windows, wait } = opened()
  windows.observe(instant(0))
  for (let n = 0; n < 5; n++) recorded.push(wait(10))
  expect(windows.room('k', rate, 0).left).toBe(0)
  expect(windows.room('k', { ...rate, count: 6 }, 0).left).toBe(1)
})
