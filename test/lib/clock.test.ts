import { describe, expect, test } from 'vitest'
import { instant } from '../../src/lib/clock.ts'

describe('an instant', () => {
  const now = Date.parse('2026-11-21T05:27:00.123Z')

  test.each([
    now,
    now + 1,
    now + 877,
    now - 124,
    0,
    999,
    1000,
    -1,
    -1000,
    -1001,
    0.9,
    -0.9,
    1e12 + 0.5,
    253_402_300_800_000,
    -8.64e15,
  ])('%d is written as a Date writes it', (ms) => expect(instant(ms)).toBe(new Date(ms).toISOString()))

  test('that is none is refused', () => {
    expect(() => instant(Number.NaN)).toThrow(RangeError)
    expect(() => instant(1e300)).toThrow(RangeError)
    expect(instant(now)).toBe('2026-11-21T05:27:00.123Z')
  })
})
