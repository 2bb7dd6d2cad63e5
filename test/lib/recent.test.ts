import { expect, test } from 'vitest'
import { createRecent } from '../../src/lib/recent.ts'

test('the newest values are kept, and fewer than twice as many', () => {
  const recent = createRecent<number>(3)
  const kept = (upTo: number) => Array.from({ length: upTo + 1 }, (_, n) => n).filter((n) => recent.get(`k${n}`) === n)
  for (let n = 0; n < 50; n++) {
    recent.set(`k${n}`, n)
    recent.age()
    const left = kept(n)
    expect(left).toEqual(Array.from({ length: left.length }, (_, back) => n - left.length + 1 + back))
    expect(left.length).toBeGreaterThanOrEqual(Math.min(3, n + 1))
    expect(left.length).toBeLessThan(6)
  }
})

test('without age nothing is forgotten', () => {
  const recent = createRecent<number>(2)
  for (let n = 0; n < 10; n++) recent.set(`k${n}`, n)
  expect(Array.from({ length: 10 }, (_, n) => recent.get(`k${n}`))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('a value that is set again is the newer one, what is deleted or cleared is gone from both generations', () => {
  const recent = createRecent<number>(1)
  recent.set('a', 1)
  recent.age()
  recent.set('a', 2)
  expect(recent.get('a')).toBe(2)
  recent.delete('a')
  expect(recent.get('a')).toBeUndefined()
  recent.set('b', 1)
  recent.age()
  recent.set('c', 1)
  recent.clear()
  expect([recent.get('b'), recent.get('c')]).toEqual([undefined, undefined])
})
