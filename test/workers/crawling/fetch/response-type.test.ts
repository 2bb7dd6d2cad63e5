import { describe, expect, test } from 'vitest'
import { responseType } from '../../../../src/workers/crawling/fetch/response-type.ts'

const html = '<!DOCTYPE html><html><body><a href="/next">next</a></body></html>'
const png = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0])

const typeOf = (
  body: string | Buffer,
  contentType?: string,
  more: { readonly disposition?: string; readonly responseUrl?: string } = {},
): string | null => responseType({ body: Buffer.from(body), contentType, responseUrl: 'http://example.com/page', ...more })

describe('a response is read as', () => {
  test.each(['text/html', 'application/xhtml+xml', 'application/json', 'image/svg+xml', 'application/ld+json', 'text/csv'])(
    'what its Content-Type says where that is text: %s',
    (type) => expect(typeOf('{}', `${type}; charset=utf-8`)).toBe(type),
  )

  test.each([undefined, '', 'application/octet-stream', 'html', 'unknown/unknown', 'image/png', 'application/x-httpd-php', ';'])(
    'what it looks like where the Content-Type means nothing: %s',
    (type) => {
      expect(typeOf(html, type)).toBe('text/html')
      expect(typeOf('<TITLE>x</TITLE><a href=/x>x</a>', type)).toBe('text/html')
      expect(typeOf('<?xml version="1.0"?><feed/>', type)).toBe('text/xml')
      expect(typeOf('plain words', type)).toBe('text/plain')
      expect(typeOf(png, type)).toBeNull()
    },
  )

  test('text in UTF-16 and in ISO-2022-JP, and with a NUL by mistake', () => {
    expect(typeOf(Buffer.from('\ufeffone', 'utf16le'))).toBe('text/plain')
    expect(typeOf('\x1b$BF|\x1b(B')).toBe('text/plain')
    expect(typeOf(`${html}\0`)).toBe('text/html')
    expect(typeOf(Buffer.from([0x89, 0, 0xff]), 'image/png')).toBeNull()
  })

  test('the name of its file before its body, in Content-Disposition and then in its address', () => {
    const binary = 'application/octet-stream'
    expect(typeOf('x', binary, { disposition: 'attachment; filename="page.html"' })).toBe('text/html')
    expect(typeOf('x', binary, { disposition: "inline; filename='a.b.JSON'" })).toBe('application/json')
    expect(typeOf('x', binary, { disposition: 'attachment; filename=a.csv; size=1' })).toBe('text/csv')
    expect(typeOf('x', binary, { disposition: 'attachment' })).toBe('text/plain')
    expect(typeOf('x', binary, { responseUrl: 'http://example.com/feed.rss#top' })).toBe('application/rss+xml')
    expect(typeOf('x', binary, { responseUrl: 'http://example.com/page.html?file=a.js' })).toBe('text/plain')
    expect(typeOf('x', binary, { disposition: 'x; filename=a.css', responseUrl: 'http://example.com/a.js' })).toBe('text/css')
  })
})
