import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compilePattern } from '../../../../src/workers/crawling/links/url-patterns.ts'

const found = (pattern: string, text: string): boolean => {
  const compiled = compilePattern(pattern)
  if ('error' in compiled) throw new Error(compiled.error)
  return compiled.found(text)
}

test.each([
  ['shock', 'http://example.com/shocking', true],
  ['.*.com.*', 'http://example.com/', true],
  ['^https', 'http://example.com/', false],
  ['html$', 'http://example.com/a.html', true],
  ['\\Ahttp.*html\\Z', 'http://example.com/a.html', true],
  ['html\\Z', 'a.html?x', false],
  ['(?P<year>\\d{4})/(?P<month>\\d\\d)', '/2015/02/', true],
  ['(?i)SHOCK', 'shock', true],
  ['shock(?i)', 'SHOCK', true],
  ['(?iu)shock', 'SHOCK', true],
  ['(?i:SH)ock', 'shock', true],
  ['(?i:SH)ock', 'shOCK', false],
  ['(?-i:a)', 'a', true],
  ['(?s)a.b', 'a\nb', true],
  ['a.b', 'a\nb', false],
  ['(?x) a b # the letters\n c', 'abc', true],
  ['(?x)a\\ [ #]b', 'a #b', true],
  ['a(?#comment)b', 'ab', true],
  ['^a{,2}$', 'aa', true],
  ['^a{,2}$', 'aaa', false],
  ['^a{2,}$', 'aaa', true],
  ['a{b', 'a{b', true],
  ['{}', '{}', true],
  ['[]x]', ']', true],
  ['[^]x]', ']', false],
  ['[[:alpha:]]', 'a]', true],
  ['[[:alpha:]]', 'b', false],
  ['[\\b]', '\b', true],
  ['\\bnews\\b', '/news/', true],
  ['\\x41\\u0042\\103\\07', 'ABC\x07', true],
  ['\\/a\\-b\\_c', '/a-b_c', true],
  ['\\é', 'é', true],
  ['\\(?i\\)', 'i)', true],
  ['\\(?i\\)', 'I)', false],
  ['[(?i)]A', 'ia', false],
  ['a|b', 'xb', true],
  ['', 'anything', true],
])('%j in %j: %j', (pattern, text, expected) => {
  expect(found(pattern, text)).toBe(expected)
})

test.each([
  '(',
  ')',
  '[a',
  '*a',
  'a**',
  'a\\',
  '\\q',
  '\\p{Greek}',
  '\\xg1',
  '(a)\\1',
  '(?P<n>a)(?P=n)',
  '(?=a)',
  '(?!a)b',
  '(?<=a)b',
  '(?<!a)b',
  '(a)?(?(1)b|c)',
  '(?>a)b',
  'a++',
  '(?U)a',
  '(?x:a b)',
  'a{1001}',
  '((a{1000}){1000}){1000}',
  'a'.repeat(20_000),
])('unusable pattern %# gives a reason', (pattern) => {
  expect(compilePattern(pattern)).toMatchObject({ error: expect.stringContaining('cannot be used') })
})

test('no text makes it throw', () => {
  const alphabet = fc.constantFrom(...'()[]{}\\?*+.^$|:=!<>-#&,aAZbxuUiP0159 \n')
  fc.assert(fc.property(fc.string({ unit: alphabet, maxLength: 40 }), (text) => typeof compilePattern(text) === 'object'))
})

test('a pattern that backtracks without end elsewhere takes no time here', () => {
  expect(found('^(a+)+$', `${'a'.repeat(50_000)}!`)).toBe(false)
  expect(found('(.*)*x(.*)*y(.*)*z', 'x'.repeat(5000))).toBe(false)
})
