import { expect, test } from 'vitest'
import { retryAfterMs } from '../../src/lib/retry-after.ts'

const now = Date.parse('2026-11-21T05:27:00Z')

test.each([
  ['0', 0],
  [' 120 ', 120_000],
  ['Sat, 21 Nov 2026 05:27:30 GMT', 30_000],
  ['Saturday, 21-Nov-26 05:27:30 GMT', 30_000],
  ['Fri, 20 Nov 2026 05:27:30 GMT', 0],
  ['soon', undefined],
  ['-1', undefined],
  ['1.5', undefined],
  ['2026', 2_026_000],
  ['', undefined],
  [undefined, undefined],
])('Retry-After: %s', (header, expected) => expect(retryAfterMs(header, now)).toBe(expected))
