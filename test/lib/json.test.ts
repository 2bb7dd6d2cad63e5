import fc from 'fast-check'
import { expect, test } from 'vitest'
import { plainCopy } from '../../src/lib/json.ts'

const throughText = (value: unknown): unknown => {
  const text = JSON.stringify(value)
  return text === undefined ? undefined : JSON.parse(text)
}

test('a plain value is copied as it would come out of its text', () =>
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const copy = plainCopy(value)
      if (JSON.stringify(value).includes('"__proto__"') || hasNegativeZero(value)) return
      expect(copy).toStrictEqual(value)
      if (typeof value === 'object' && value !== null) expect(copy).not.toBe(value)
    }),
  ))

test('what is not plain has no copy, or the one that comes out of its text', () =>
  fc.assert(
    fc.property(
      fc.anything({
        withDate: true,
        withNullPrototype: true,
        withSparseArray: true,
        withBoxedValues: true,
        withTypedArray: true,
      }),
      (value) => {
        const copy = plainCopy(value)
        if (copy !== undefined) expect(copy).toStrictEqual(throughText(value))
      },
    ),
  ))

test.each([
  { a: undefined },
  [undefined],
  { n: Number.NaN },
  { n: -0 },
  { d: new Date(0) },
  { toJSON: () => 1 },
  Object.assign([1], { toJSON: () => 1 }),
  { f: () => 1 },
  { b: 1n },
  Object.create(null),
  JSON.parse('{"__proto__": 1}'),
])('what is not plain has no copy: case %#', (value) => {
  expect(plainCopy(value)).toBeUndefined()
})

const hasNegativeZero = (value: unknown): boolean =>
  Object.is(value, -0) || (typeof value === 'object' && value !== null && Object.values(value).some(hasNegativeZero))
