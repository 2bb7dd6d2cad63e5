import { describe, expect, test } from 'vitest'
import { createClassifier, feed } from '../../../src/commands/crawling/feed.ts'
import type { JsonObject, JsonValue } from '../../../src/lib/json.ts'

const classify = createClassifier({ maxDepth: 3 })

const crawl = { appid: 'testapp', crawlid: 'abc123', url: 'istresearch.com' }
const action = { uuid: 'u1', appid: 'testapp', crawlid: 'abc123', spiderid: 'link', action: 'stop' }
const stats = { uuid: 'u1', appid: 'testapp' }
const zookeeper = { uuid: 'u1', appid: 'testapp', domain: 'example.com', action: 'domain-update', hits: 60, window: 60 }

describe('a payload that a schema takes', () => {
  test.each<readonly [string, JsonObject, string, boolean]>([
    ['a crawl', crawl, 'crawl', false],
    ['a crawl with everything', { ...crawl, ...everything() }, 'crawl', false],
    ['a stop', action, 'action', true],
    ['a stop without a crawlid', { ...action, crawlid: undefined }, 'action', false],
    ['info without a crawlid', { ...action, crawlid: undefined, action: 'info' }, 'action', true],
    ['stats', stats, 'stats', true],
    ['stats of one kind', { ...stats, stats: 'kafka-monitor' }, 'stats', true],
    ['a throttle', zookeeper, 'zookeeper', true],
    ['a throttle without hits', { ...zookeeper, hits: undefined }, 'zookeeper', false],
    ['a throttle with a window of 0', { ...zookeeper, window: 0 }, 'zookeeper', false],
    ['the end of a throttle', { ...zookeeper, action: 'domain-remove', hits: undefined, window: undefined }, 'zookeeper', true],
    ['an appid of forty characters beyond the basic plane', { ...crawl, appid: '😀'.repeat(40) }, 'crawl', false],
    ['ids with separators of the original', { ...crawl, appid: 'a:b||c', crawlid: ':' }, 'crawl', false],
  ])('%s', (_name, payload, expected, answerable) => {
    expect(classify(sent(payload))).toMatchObject({ class: expected, answerable })
  })

  test('is completed with the defaults', () => {
    expect(classify(crawl)).toMatchObject({ request: { spiderid: 'link', priority: 1, maxdepth: 0, expires: 0 } })
    expect(classify(stats)).toMatchObject({ request: { stats: 'all' } })
    expect(classify(sent({ ...zookeeper, hits: undefined }))).toMatchObject({ request: { hits: 0, window: 60, scale: 1 } })
  })
})

describe('a payload that no schema takes', () => {
  test.each<readonly [string, JsonValue, string | null, string]>([
    ['nothing known', {}, 'crawl', "u'appid' is a required property"],
    ['a crawl with a uuid', { ...crawl, uuid: 'u' }, 'crawl', "Additional properties are not allowed (u'uuid' was unexpected)"],
    ['a crawl that goes too deep', { ...crawl, maxdepth: 5 }, 'crawl', '5 is greater than the maximum of 3'],
    ['a priority of 0', { ...crawl, priority: 0 }, 'crawl', '0 is less than the minimum of 1'],
    ['a priority that is true', { ...crawl, priority: true }, 'crawl', "True is not of type u'number'"],
    ['an explicit null', { ...crawl, useragent: null }, 'crawl', "None is not of type u'string'"],
    [
      'an appid of two characters',
      { ...crawl, appid: '😀😀' },
      'crawl',
      String.raw`u'\U0001f600\U0001f600' has fewer than 3 characters`,
    ],
    [
      'an appid of 41 characters',
      { ...stats, appid: 'a'.repeat(41) },
      'stats',
      `u'${'a'.repeat(41)}' has more than 40 characters`,
    ],
    ['doubled domains', { ...crawl, allowed_domains: ['a', 'a'] }, 'crawl', "[u'a', u'a'] has equal items"],
    ['a number among patterns', { ...crawl, deny_regex: ['a', 3] }, 'crawl', "3 is not of type u'string'"],
    ['an unknown action', { ...action, action: 'expire' }, 'action', "u'expire' is not one of [u'stop', u'info']"],
    ['an action without a spider', { ...stats, action: 'info' }, 'action', "u'spiderid' is a required property"],
    ['an unknown kind of stats', { ...stats, stats: 5 }, 'stats', '5 is not one of [u'],
    ['a scale over one', { ...zookeeper, scale: 1.5 }, 'zookeeper', '1.5 is greater than the maximum of 1'],
    [
      'a throttle of no domain',
      { uuid: 'u', appid: 'app', action: 'domain-remove' },
      'zookeeper',
      "u'domain' is a required property",
    ],
    ['an unknown member', { ...action, __proto: 1 }, 'action', 'Additional properties are not allowed'],
    ['an array', [1, 'uuid'], null, "[1, u'uuid'] is not of type u'object'"],
    ['a text', 'uuid', null, "u'uuid' is not of type u'object'"],
    ['false', false, null, "False is not of type u'object'"],
  ])('%s', (_name, payload, nearestClass, reason) => {
    const classified = classify(payload)
    expect(classified).toMatchObject({ class: 'unrecognised', nearestClass })
    expect('errors' in classified && classified.errors[0].message).toContain(reason)
  })

  test('of very many reasons 20 are given, and how many more there are', () => {
    const unknown = Object.fromEntries(Array.from({ length: 60_000 }, (_, index) => [`x${index}`, 1]))
    const classified = classify({ ...crawl, maxdepth: 5, ...unknown })
    if (classified.class !== 'unrecognised') throw new Error('no schema takes this')
    expect(classified.errors).toHaveLength(21)
    expect(classified.errors[0]?.message).toBe('5 is greater than the maximum of 3')
    expect(classified.errors.at(-1)).toEqual({ pointer: '', message: '59981 more errors are not listed' })
  })

  test('names the member even where it is the prototype', () => {
    const payload = JSON.parse('{"appid":"app","crawlid":"1","url":"u","__proto__":1}') as JsonValue
    expect(classify(payload)).toMatchObject({ class: 'unrecognised', errors: [{ pointer: '/__proto__' }] })
  })

  test('is quoted in part only', () => {
    const classified = classify('x'.repeat(100_000))
    expect('errors' in classified && classified.errors[0].message.length).toBeLessThan(300)
  })

  test('is kept once', () => {
    const command = {
      type: 'RejectFeed',
      id: 'f',
      payload: {},
      nearestClass: 'crawl',
      errors: [{ pointer: '', message: 'm' }],
    } as const
    const { errors, nearestClass } = command
    expect(feed.decide(command, feed.initial)).toEqual({
      events: [{ type: 'FeedRejected', data: { payload: {}, nearestClass, errors } }],
    })
    expect(feed.decide(command, { rejected: true })).toEqual({ events: [] })
  })
})

test('a deeper crawl is taken where the setting allows it', () => {
  expect(createClassifier({ maxDepth: 9 })({ ...crawl, maxdepth: 9 })).toMatchObject({ class: 'crawl' })
})

/** As JSON carries it: undefined members are not there. */
function sent(payload: JsonObject): JsonValue {
  return JSON.parse(JSON.stringify(payload)) as JsonValue
}

function everything(): JsonObject {
  return {
    spiderid: 'link',
    priority: 100,
    maxdepth: 3,
    domain_max_pages: 0,
    allowed_domains: [],
    allow_regex: ['a'],
    deny_regex: ['b', 'c'],
    deny_extensions: ['pdf'],
    expires: 1_900_000_000,
    useragent: 'abc',
    cookie: 'a=b',
    attrs: { any: [1, null, { thing: true }] },
  }
}
