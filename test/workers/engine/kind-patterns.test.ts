import { expect, test } from 'vitest'
import { Unacceptable } from '../../../src/lib/errors.ts'
import { parseKindPatterns } from '../../../src/workers/engine/kind-patterns.ts'

const kinds = ['probe', 'crawling.crawl', 'crawling.info']

test.each([
  ['probe', ['probe']],
  ['crawling.*', ['crawling.crawl', 'crawling.info']],
  [' crawling.info , probe', ['probe', 'crawling.info']],
  ['*', kinds],
  ['crawling', []],
])('%s takes %j', (text, taken) => expect(kinds.filter(parseKindPatterns(text).matches)).toEqual(taken))

test.each(['', 'probe,', '*.crawl', 'a b', 'crawling.**'])('%j is no list of kinds', (text) =>
  expect(() => parseKindPatterns(text)).toThrow(Unacceptable),
)

test('what matches nothing is named', () => {
  expect(parseKindPatterns('probe,robot.*,crawling.page').idle(kinds)).toEqual(['robot.*', 'crawling.page'])
})

test.each([
  ['*', true],
  ['own.*', true],
  ['probe,own.backup', true],
  ['ow*', true],
  ['own.backup.*', true],
  ['probe,crawling.*', false],
])('whether %s may match a kind named own.…: %s', (text, touches) =>
  expect(parseKindPatterns(text).touches('own.')).toBe(touches),
)
