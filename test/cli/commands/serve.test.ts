import { describe, expect, test } from 'vitest'
import { hints } from '../../../src/cli/commands/serve.ts'
import { urlOf } from '../../../src/http/server/url-of.ts'

describe('the hints of a start', () => {
  test.each([
    ['127.0.0.1', 'http://127.0.0.1:8080'],
    ['localhost', 'http://localhost:8080'],
    ['::1', 'http://[::1]:8080'],
    ['0.0.0.0', 'http://127.0.0.1:8080'],
    ['::', 'http://[::1]:8080'],
  ])('on %s name an address that can be reached', (host, url) => {
    expect(urlOf({ host, port: 8080 })).toBe(url)
  })

  test('name the header that requests need, and none where nobody has to be known', () => {
    const requests = (needsToken: boolean) => hints('http://h', { needsToken }).filter((line) => line.includes('/v1/'))
    expect(requests(true)).toHaveLength(2)
    for (const line of requests(true)) expect(line).toContain('-H "Authorization: Bearer $TOKEN"')
    for (const line of requests(false)) expect(line).not.toContain('Authorization')
  })
})
