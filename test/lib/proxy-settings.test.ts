import { expect, test } from 'vitest'
import { proxiesOf } from '../../src/lib/proxy-settings.ts'

const at = (environment: Record<string, string>, url: string): string | undefined =>
  proxiesOf(environment, 'CRAWLING_PROXY')(new URL(url))?.origin

test.each<[Record<string, string>, string, string | undefined]>([
  [{}, 'http://example.com/', undefined],
  [{ http_proxy: 'http://p:1' }, 'http://example.com/', 'http://p:1'],
  [{ http_proxy: 'p:1' }, 'http://example.com/', 'http://p:1'],
  [{ HTTP_PROXY: 'http://p:1' }, 'http://example.com/', 'http://p:1'],
  [{ http_proxy: 'http://p:1', HTTP_PROXY: 'http://q:1' }, 'http://example.com/', 'http://p:1'],
  [{ http_proxy: 'http://p:1' }, 'https://example.com/', undefined],
  [{ https_proxy: 'http://p:1' }, 'https://example.com/', 'http://p:1'],
  [{ https_proxy: 'http://p:1' }, 'http://example.com/', undefined],
  [{ all_proxy: 'http://p:1' }, 'https://example.com/', 'http://p:1'],
  [{ all_proxy: 'http://p:1', http_proxy: 'http://q:1' }, 'http://example.com/', 'http://q:1'],
  [{ http_proxy: '' }, 'http://example.com/', undefined],
  [{ http_proxy: 'http://p:1', CRAWLING_PROXY: 'none' }, 'http://example.com/', undefined],
  [{ http_proxy: 'http://p:1', CRAWLING_PROXY: 'https://r:2' }, 'http://example.com/', 'https://r:2'],
  [{ CRAWLING_PROXY: 'http://r:2' }, 'https://example.com/', 'http://r:2'],
  [{ CRAWLING_PROXY: 'http://r:2' }, 'http://127.0.0.1/', 'http://r:2'],
  [{ http_proxy: 'http://p:1' }, 'http://127.0.0.1/', undefined],
  [{ http_proxy: 'http://p:1' }, 'http://localhost:8080/', undefined],
  [{ http_proxy: 'http://p:1' }, 'http://[::1]/', undefined],
])('%j: %s goes through %s', (environment, url, proxy) => {
  expect(at(environment, url)).toBe(proxy)
})

test.each<[string, string, boolean]>([
  ['*', 'http://example.com/', true],
  ['example.com', 'http://example.com/', true],
  ['example.com', 'http://www.example.com/', true],
  ['.example.com', 'http://www.example.com/', true],
  ['*.example.com', 'http://www.example.com/', true],
  ['example.com', 'http://notexample.com/', false],
  ['EXAMPLE.com, other', 'http://example.com/', true],
  ['other example.com', 'http://example.com/', true],
  ['example.com:8080', 'http://example.com:8080/', true],
  ['example.com:8080', 'http://example.com/', false],
  ['example.com:80', 'http://example.com/', true],
  ['10.0.0.0/8', 'http://10.1.2.3/', true],
  ['10.0.0.0/8', 'http://11.1.2.3/', false],
  ['10.0.0.0/8', 'http://example.com/', false],
  ['10.0.0.1', 'http://10.0.0.1/', true],
  ['fd00::/8', 'http://[fd00::1]/', true],
  ['[fd00::1]', 'http://[fd00::1]/', true],
  ['', 'http://example.com/', false],
  [',,', 'http://example.com/', false],
])('no_proxy=%s: %s is fetched directly: %s', (list, url, isDirect) => {
  expect(at({ CRAWLING_PROXY: 'http://p:1', no_proxy: list }, url) === undefined).toBe(isDirect)
})

test('user and password become a header, and a value that is no proxy is never quoted', () => {
  const proxy = proxiesOf({ CRAWLING_PROXY: 'http://jane:p%40ss@p:1' }, 'CRAWLING_PROXY')(new URL('http://example.com/'))
  expect(proxy).toEqual({ origin: 'http://p:1', authorization: `Basic ${Buffer.from('jane:p@ss').toString('base64')}` })
  for (const value of ['socks5://jane:secret@p:1', 'http://'])
    expect(() => proxiesOf({ all_proxy: value }, 'CRAWLING_PROXY')).toThrow(/^all_proxy is not the address of an HTTP proxy/)
  expect(() => proxiesOf({ CRAWLING_PROXY: 'socks5://jane:secret@p:1' }, 'CRAWLING_PROXY')).not.toThrow(/secret/)
})
