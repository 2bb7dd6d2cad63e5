import { expect, test } from 'vitest'
import { type ItemDocument, itemWithBody } from '../../../src/projections/crawling/item.ts'
import { itemDocument } from '../../../src/workers/crawling/pages/item-document.ts'

const page = {
  appid: 'app',
  crawlid: 'crawl',
  attrs: null,
  url: 'http://example.com/',
  responseUrl: 'http://example.com/',
  statusCode: 200,
  requestHeaders: [['User-Agent', 'x']],
  responseHeaders: [
    ['Set-Cookie', 'a=1'],
    ['Set-Cookie', 'b=2'],
  ],
  links: Buffer.from('[{"url":"http://example.com/a","text":"a"}]'),
  fetchedAt: Date.UTC(2016, 0, 5, 20, 14, 54, 653),
} as const

const parsed = (bytes: Buffer) => JSON.parse(bytes.toString()) as ItemDocument
const document = (encoding: string | null) => parsed(itemDocument({ ...page, encoding }))

test('an item has the fields of the original, in its order', () => {
  const item = itemWithBody(document('utf-8'), Buffer.from('Zoë'))
  expect(JSON.parse(JSON.stringify(item))).toEqual({
    appid: 'app',
    crawlid: 'crawl',
    attrs: null,
    url: 'http://example.com/',
    response_url: 'http://example.com/',
    status_code: 200,
    status_msg: 'OK',
    request_headers: { 'User-Agent': ['x'] },
    response_headers: { 'Set-Cookie': ['a=1', 'b=2'] },
    body: 'Zoë',
    encoding: 'utf-8',
    links: [{ url: 'http://example.com/a', text: 'a' }],
    timestamp: '2016-01-05T20:14:54.653000',
  })
  expect(Object.keys(item).indexOf('body')).toBe(9)
})

test('the body is text in its encoding', () => {
  expect(itemWithBody(document('windows-1251'), Buffer.from([0xcf])).body).toBe('П')
  // Named as Python names it.
  expect(itemWithBody(document('shift_jis'), Buffer.from([0x87, 0x40]))).toMatchObject({ body: '①', encoding: 'cp932' })
})

test('a body that is no text is base64, and says so', () => {
  const item = itemWithBody(document(null), Buffer.from([0, 255]))
  expect(item).toMatchObject({ body: 'AP8=', encoding: 'iso-8859-1', body_base64: true })
})

test('every body is base64 when the setting says so', () => {
  const item = itemWithBody(document('utf-8'), Buffer.from('Zoë'), { base64: true })
  expect(item).toMatchObject({ body: 'Wm/Dqw==', encoding: 'utf-8' })
  expect(item).not.toHaveProperty('body_base64')
})

test('a header by the name of __proto__ is a header', () => {
  const item = parsed(itemDocument({ ...page, encoding: 'utf-8', responseHeaders: [['__proto__', 'x']] }))
  expect(Object.keys(item.response_headers)).toEqual(['__proto__'])
})
