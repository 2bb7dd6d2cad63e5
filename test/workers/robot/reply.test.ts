import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inexactNumbers } from '../../../src/lib/inexact-numbers.ts'
import type { JsonValue } from '../../../src/lib/json.ts'
import { parseReply } from '../../../src/workers/robot/action/reply.ts'

const parse = (value: unknown) => parseReply(Buffer.from(JSON.stringify(value)))

test('any bytes are a reply or none', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      parseReply(Buffer.from(bytes))
    }),
  )
})

test('the result is taken as it is, or not at all where a number would be rounded', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<JsonValue>, (result) => {
      const text = JSON.stringify({ result })
      const isExact = inexactNumbers(text).length === 0
      expect(parseReply(Buffer.from(text))?.result).toEqual(isExact ? JSON.parse(text).result : undefined)
    }),
  )
})

test.each([
  ['words of other types', { message: 1, level: 'high', line: 1.5, data: [], expected: 'yes' }, {}],
  ['a code that is a number', { code: 7 }, { code: '7' }],
  ['no object', 'broken', undefined],
])('an error with %s is one all the same', (_name, error, expected) => {
  expect(parse({ error })?.error).toEqual(expected)
})

test('state changes before one that is not supported are kept', () => {
  const [ok, bad] = [
    { category: 'a', tag: 'b', state: 'ok' },
    { category: 'a', tag: 'c', state: 5 },
  ]
  expect(parse({ state: [ok, bad, ok] })).toMatchObject({ state: [ok], badState: '5' })
  expect(parse({ state: [{ category: 'a', state: null }] })).toMatchObject({ state: [{ category: 'a', state: null }] })
})
