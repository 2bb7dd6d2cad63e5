import { expect, test } from 'vitest'
import { queryInEncoding } from '../../../../src/workers/crawling/links/query-encoding.ts'

test.each([
  ['gbk', '/list.asp?name=春天', '/list.asp?name=%B4%BA%CC%EC'],
  ['windows-1251', '/поиск?q=мир#мир', '/поиск?q=%EC%E8%F0#мир'],
  ['shift_jis', '?q=表 示&x=1', '?q=%95\\%20%8E%A6&x=1'],
  ['euc-kr', '?q=한', '?q=%C7%D1'],
  ['iso-8859-2', 'a?q=ł\n', 'a?q=%B3'],
  // What the encoding does not have is written as browsers write it.
  ['windows-1252', '?q=春', '?q=%26%2326149%3B'],
  ['gbk', '?q=%41&春=1', '?q=%41&%B4%BA=1'],
])('a query is escaped in the encoding of its page: %s %s', (encoding, href, expected) => {
  expect(queryInEncoding(href, encoding)).toBe(expected)
})

test.each([
  ['utf-8', '?q=春'],
  ['utf-16le', '?q=春'],
  ['gbk', '/春天/#?春'],
  ['gbk', '/a?b=c#春'],
])('nothing else is: %s %s', (encoding, href) => {
  expect(queryInEncoding(href, encoding)).toBe(href)
})
