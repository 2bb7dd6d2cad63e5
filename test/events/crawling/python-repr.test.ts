import { describe, expect, test } from 'vitest'
import { pythonRepr } from '../../../src/events/crawling/python-repr.ts'

const cases: readonly (readonly [json: string, repr: string])[] = [
  ['null', 'None'],
  ['true', 'True'],
  ['false', 'False'],
  ['5', '5'],
  ['-0', '0'],
  ['-0.0', '-0.0'],
  ['1.0', '1.0'],
  ['1.50', '1.5'],
  ['1e3', '1000.0'],
  ['1e15', '1000000000000000.0'],
  ['1e16', '1e+16'],
  ['0.0001', '0.0001'],
  ['0.00012345', '0.00012345'],
  ['0.00001', '1e-05'],
  ['-12345.678', '-12345.678'],
  ['1e400', 'inf'],
  ['-1e400', '-inf'],
  ['9223372036854775807', '9223372036854775807'],
  ['9223372036854775808', '9223372036854775808L'],
  ['""', "u''"],
  ['"x"', "u'x'"],
  [`"it's"`, `u"it's"`],
  [String.raw`"it's \"x\""`, String.raw`u'it\'s "x"'`],
  [String.raw`"a\\b\n\t\u0000\u007f"`, String.raw`u'a\\b\n\t\x00\x7f'`],
  ['"é€😀"', String.raw`u'\xe9\u20ac\U0001f600'`],
  [String.raw`"\ud800"`, String.raw`u'\ud800'`],
  ['[]', '[]'],
  [' [ "a" , 1 ] ', "[u'a', 1]"],
  ['{"k":1,"l":{"m":[null,true]}}', "{u'k': 1, u'l': {u'm': [None, True]}}"],
  ['"[1,2:3]"', "u'[1,2:3]'"],
]

describe('a value as Python 2 shows it', () => {
  test.each(cases)('%s', (json, repr) => expect(pythonRepr(json)).toBe(repr))

  test('a string of a megabyte does not exhaust the stack', () => {
    expect(pythonRepr(`"${'a\\n'.repeat(300_000)}"`)).toHaveLength(900_003)
  })
})
