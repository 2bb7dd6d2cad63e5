import { expect, test } from 'vitest'
import { z } from 'zod'
import {
  ActionRequest,
  CrawlRequest,
  crawlInput,
  StatsRequest,
  ZookeeperRequest,
} from '../../../src/commands/crawling/requests.ts'
import { crawlingSettings, defaultCrawlingSettings } from '../../../src/commands/crawling/settings.ts'

const crawl = { appid: 'app', crawlid: 'c', url: 'example.com' }
const takes = (schema: z.ZodType, value: unknown): boolean => schema.safeParse(value).success

test('a crawl is completed with the defaults', () =>
  expect(CrawlRequest.parse(crawl)).toEqual({ ...crawl, spiderid: 'link', priority: 1, maxdepth: 0, expires: 0 }))

test.each([
  [{ url: undefined }],
  [{ appid: 'ab' }],
  [{ appid: 'x'.repeat(41) }],
  [{ crawlid: '' }],
  [{ priority: 0 }],
  [{ priority: 101 }],
  [{ priority: true }],
  [{ priority: '5' }],
  [{ maxdepth: 4 }],
  [{ maxdepth: null }],
  [{ domain_max_pages: 2001 }],
  [{ allowed_domains: ['a', 'a'] }],
  [{ allow_regex: 'x' }],
  [{ attrs: [] }],
  [{ useragent: 'ab' }],
  [{ expires: 1.5 }],
  [{ unknown: 1 }],
  [{ uuid: 'u' }],
])('a crawl with %j fits no schema', (change) => expect(takes(CrawlRequest, { ...crawl, ...change })).toBe(false))

test('lengths count code points', () => {
  expect(takes(CrawlRequest, { ...crawl, appid: '🕷'.repeat(40) })).toBe(true)
  expect(takes(CrawlRequest, { ...crawl, appid: '🕷🕷' })).toBe(false)
})

test('requests with a uuid have the bounds of the contract', () => {
  expect(takes(ActionRequest, { uuid: 'u', appid: 'app', spiderid: 'link', action: 'stop' })).toBe(true)
  expect(takes(ActionRequest, { uuid: 'u', appid: 'app', action: 'info' })).toBe(false)
  expect(takes(ActionRequest, { uuid: 'u', appid: 'app', spiderid: 'link', action: 'expire' })).toBe(false)
  expect(StatsRequest.parse({ uuid: 'u', appid: 'app' }).stats).toBe('all')
  expect(takes(StatsRequest, { uuid: 'u'.repeat(41), appid: 'app' })).toBe(false)
  const zookeeper = { uuid: 'u', appid: 'app', domain: 'd', action: 'domain-update' }
  expect(ZookeeperRequest.parse(zookeeper)).toMatchObject({ hits: 0, window: 0, scale: 1 })
  expect(takes(ZookeeperRequest, { ...zookeeper, scale: 1.1 })).toBe(false)
})

test('the input of a crawl knows its domain and its time, and stays what it is when it is parsed again', () => {
  const schema = crawlInput({ now: () => 1500, maxDepth: 3 })
  const parsed = schema.parse({ ...crawl, url: 'news.example.co.uk/x' })
  expect(parsed).toMatchObject({ ts: 1.5, domain: 'example.co.uk' })
  expect(crawlInput({ now: () => 9999, maxDepth: 3 }).parse(parsed)).toEqual(parsed)
  expect(() => z.toJSONSchema(schema, { io: 'input' })).not.toThrow()
})

test('settings come from the environment, and what cannot be honoured is named', () => {
  expect(crawlingSettings({})).toEqual(defaultCrawlingSettings)
  expect(
    crawlingSettings({ CRAWLING_HITS: '5', CRAWLING_WINDOW_S: '7', CRAWLING_MODERATED: 'false', CRAWLING_STRICT: '' }),
  ).toMatchObject({
    hits: 5,
    windowS: 7,
    moderated: false,
    strict: false,
  })
  expect(() => crawlingSettings({ CRAWLING_HITS: 'many', CRAWLING_MODERATED: 'perhaps' })).toThrow(
    /CRAWLING_HITS.*\nCRAWLING_MODERATED/,
  )
})
