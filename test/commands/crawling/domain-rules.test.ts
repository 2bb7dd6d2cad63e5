import { expect, test } from 'vitest'
import { crawl } from '../../../src/commands/crawling/crawl.ts'
import { domainRules } from '../../../src/commands/crawling/domain-rules.ts'
import { given } from '../../given.ts'

const asked = { domain: 'Example.com.', operation: 'o', appid: 'test', uuid: 'u' }
const throttle = { window: 60, hits: 10, scale: 0.5 }
const set = { type: 'DomainThrottleSet', data: { ...asked, ...throttle } } as const
const blacklisted = { type: 'DomainBlacklisted', data: asked } as const

test('a throttle is set, and set again only where it differs', () => {
  given(domainRules)
    .when({ type: 'SetThrottle', asked, ...throttle })
    .then([set])
  given(domainRules, [set])
    .when({ type: 'SetThrottle', asked, ...throttle })
    .then([])
  given(domainRules, [set])
    .when({ type: 'SetThrottle', asked, ...throttle, hits: 5 })
    .then([{ ...set, data: { ...set.data, hits: 5 } }])
})

test('removing what is not there changes nothing', () => {
  given(domainRules).when({ type: 'RemoveThrottle', asked }).then([])
  given(domainRules, [set])
    .when({ type: 'RemoveThrottle', asked })
    .then([{ type: 'DomainThrottleRemoved', data: asked }])
  given(domainRules).when({ type: 'Unblacklist', asked }).then([])
})

test('a domain is on the blacklist once', () => {
  given(domainRules).when({ type: 'Blacklist', asked }).then([blacklisted])
  given(domainRules, [blacklisted]).when({ type: 'Blacklist', asked }).then([])
  given(domainRules, [blacklisted])
    .when({ type: 'Unblacklist', asked })
    .then([{ type: 'DomainUnblacklisted', data: asked }])
})

test('case and trailing dot do not make another domain, and any text has a stream', () => {
  const streamOf = (domain: string): string => domainRules.streamOf({ type: 'Blacklist', asked: { ...asked, domain } })
  expect(streamOf('Example.com.')).toBe('domain-example.com')
  expect(streamOf('')).toMatch(/^domain-[0-9a-f]{64}$/)
  expect(streamOf('x'.repeat(5000))).toMatch(/^domain-[0-9a-f]{64}$/)
})

const name = { spiderid: 'link', appid: 'test', crawlid: 'one' }
const stopped = { type: 'CrawlStopped', data: { ...name, operation: 'o', uuid: 'u' } } as const

test('a stop is recorded once for each request', () => {
  given(crawl).when({ type: 'StopCrawl', name, operation: 'o', uuid: 'u' }).then([stopped])
  given(crawl, [stopped]).when({ type: 'StopCrawl', name, operation: 'o', uuid: 'u' }).then([])
  given(crawl, [stopped])
    .when({ type: 'StopCrawl', name, operation: 'other', uuid: 'u' })
    .then([{ ...stopped, data: { ...stopped.data, operation: 'other' } }])
})

test('a crawl expires once for each moment', () => {
  const expired = { type: 'CrawlExpired', data: { ...name, expires: 5 } } as const
  given(crawl).when({ type: 'ExpireCrawl', name, expires: 5 }).then([expired])
  given(crawl, [expired]).when({ type: 'ExpireCrawl', name, expires: 5 }).then([])
})
