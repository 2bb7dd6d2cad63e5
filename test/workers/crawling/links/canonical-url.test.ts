import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalUrl, fingerprint } from '../../../../src/workers/crawling/links/canonical-url.ts'

test.each([
  ['http://www.example.com/', 'http://www.example.com/'],
  ['http://www.example.com', 'http://www.example.com/'],
  ['HTTP://WWW.Example.COM/Path', 'http://www.example.com/Path'],
  ['http://www.example.com/do?c=3&b=5&b=2&a=50', 'http://www.example.com/do?a=50&b=2&b=5&c=3'],
  ['http://www.example.com/do?a-b=1&a=2', 'http://www.example.com/do?a=2&a-b=1'],
  ['http://www.example.com/do?b=&a=2', 'http://www.example.com/do?a=2&b='],
  ['http://www.example.com/do?b&a', 'http://www.example.com/do?a=&b='],
  ['http://www.example.com/do?a=1&&b=2&', 'http://www.example.com/do?a=1&b=2'],
  ['http://www.example.com/do?b=2;a=1', 'http://www.example.com/do?a=1&b=2'],
  ['http://www.example.com/do?q=a space&a=1', 'http://www.example.com/do?a=1&q=a+space'],
  ['http://www.example.com/do?q=a%20space&a=1', 'http://www.example.com/do?a=1&q=a+space'],
  ['http://www.example.com/do?q=a+space&a=1', 'http://www.example.com/do?a=1&q=a+space'],
  ['http://www.example.com/do?u=http://x/y?z=1', 'http://www.example.com/do?u=http%3A%2F%2Fx%2Fy%3Fz%3D1'],
  ['http://www.example.com/do?a=1#frag', 'http://www.example.com/do?a=1'],
  ['http://www.example.com/do?', 'http://www.example.com/do'],
  ['http://www.example.com/a do', 'http://www.example.com/a%20do'],
  ['http://www.example.com/a%a3do', 'http://www.example.com/a%A3do'],
  ['http://www.example.com/r\u00e9sum\u00e9?q=r%c3%a9sum\u00e9', 'http://www.example.com/r%C3%A9sum%C3%A9?q=r%C3%A9sum%C3%A9'],
  ['http://www.example.com/%7euser/%41', 'http://www.example.com/~user/A'],
  ['http://foo.com/AC%2fDC+rocks%3f/?yeah=1', 'http://foo.com/AC%2FDC+rocks%3F/?yeah=1'],
  ['http://www.example.com/to/%23/%2520', 'http://www.example.com/to/%23/%2520'],
  ['http://www.example.com/100%', 'http://www.example.com/100%'],
  ['http://www.example.com/a;p=%7e1?x=1', 'http://www.example.com/a;p=%7e1?x=1'],
  ['http://www.example.com:8888/do?b=1&a=2', 'http://www.example.com:8888/do?a=2&b=1'],
  ['http://www.example.com:/do', 'http://www.example.com/do'],
  ['http://User:Pass@Example.com/x', 'http://User:Pass@example.com/x'],
  ['http://www.b\u00fccher.example/', 'http://www.xn--bcher-kva.example/'],
  [' http://www.example.com/a\n/b ', 'http://www.example.com/a/b'],
  ['http://example.com/?;', 'http://example.com/'],
  ['http://example.com/a?&&', 'http://example.com/a'],
  ['http://example.com/?x=%a3', 'http://example.com/?x=%A3'],
])('%s', (url, canonical) => {
  expect(canonicalUrl(url)).toBe(canonical)
})

test('what is canonical stays so, whatever it is made of', () => {
  fc.assert(
    fc.property(fc.webUrl({ withQueryParameters: true, withFragments: true }), (url) => {
      const once = canonicalUrl(url)
      expect(canonicalUrl(once)).toBe(once)
    }),
  )
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (tail) => {
      const once = canonicalUrl(`http://example.com/${tail}`)
      expect(canonicalUrl(once)).toBe(once)
      expect(URL.canParse(once)).toBe(true)
    }),
  )
})

test('no text makes it throw', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => typeof canonicalUrl(text) === 'string'))
})

test('a fingerprint knows a request by method and canonical URL', () => {
  expect(fingerprint('GET', 'http://example.com/?b=1&a=2#x')).toBe(fingerprint('get', 'http://EXAMPLE.com/?a=2&b=1'))
  expect(fingerprint('GET', 'http://example.com/')).not.toBe(fingerprint('POST', 'http://example.com/'))
  expect(fingerprint('GET', 'http://example.com/')).toMatch(/^[0-9a-f]{32}$/)
})

test('takes linear time where an address is full of spaces or dots', () => {
  expect(canonicalUrl(` http://x/${' '.repeat(200_000)}x `)).toBe(`http://x/${'%20'.repeat(200_000)}x`)
  expect(canonicalUrl(`http://x${'.'.repeat(200_000)}y/`)).toBe(`http://x${'.'.repeat(200_000)}y/`)
})
