import { expect, test } from 'vitest'
import { pythonCodec } from '../../../src/projections/crawling/python-codecs.ts'

test('an encoding is named as Python knows it', () => {
  const named = ['utf-8', 'windows-1252', 'windows-874', 'euc-kr', 'shift_jis', 'gbk', 'big5', 'iso-8859-8-i', 'x-mac-cyrillic']
  const codecs = ['utf-8', 'windows-1252', 'cp874', 'cp949', 'cp932', 'gb18030', 'big5hkscs', 'iso-8859-8', 'mac-cyrillic']
  expect(named.map(pythonCodec)).toEqual(codecs)
})

test('what is no text has a codec that takes every byte', () => {
  expect(pythonCodec(null)).toBe('iso-8859-1')
})
