import { expect, test } from 'vitest'
import { comparableDomain, domainKey, domainKeyOf, withScheme } from '../../../src/events/crawling/domain-key.ts'

test.each([
  ['news.example.co.uk', 'example.co.uk'],
  ['EXAMPLE.com', 'example.com'],
  ['example.com.', 'example.com'],
  ['someone.blogspot.com', 'blogspot.com'],
  ['127.0.0.1', '127.0.0.1.'],
  ['[::1]', '::1.'],
  ['localhost', 'localhost.'],
  ['a.b.internal', 'internal.'],
  ['co.uk', 'co.uk.'],
  ['', '.'],
])('the domain of %j is %j', (host, domain) => {
  expect(domainKey(host)).toBe(domain)
})

test('a domain key has no port, and texts that are no URL have one too', () => {
  expect(domainKeyOf('http://news.example.co.uk:8080/x')).toBe('example.co.uk')
  expect(domainKeyOf('example.com/x')).toBe('example.com')
  expect(domainKeyOf('host:80/x')).toBe('.')
  expect(domainKeyOf('http://')).toBe('.')
})

test('only a text without any colon gets a scheme', () => {
  expect(withScheme(' example.com/a ')).toBe('http://example.com/a')
  expect(withScheme('host:80/x')).toBe('host:80/x')
})

test('case and a trailing dot do not tell domains apart', () => {
  expect(comparableDomain('LocalHost.')).toBe(comparableDomain('localhost'))
})
