import { expect, test } from 'vitest'
import { crawlingTopics } from '../../../src/commands/crawling/settings.ts'
import { loadConfig } from '../../../src/config.ts'
import { crawlingSettingsOf } from '../../crawling-settings.ts'

const crawlingOf = (env: Readonly<Record<string, string>>) => crawlingSettingsOf(loadConfig(env))

test('crawling is local, whatever brokers are named', () => {
  expect(crawlingOf({}).brokers).toBeUndefined()
  expect(crawlingOf({ CRAWLING_KAFKA_BROKERS: 'one:9092' })).toMatchObject({ mode: 'local', brokers: undefined })
})

test('crawling topics may be on brokers of their own, with the embedded log, by the TLS and SASL of the bus', () => {
  const config = loadConfig({
    CRAWLING_MODE: 'bridge',
    CRAWLING_KAFKA_BROKERS: 'one:9092,two:9092',
    KAFKA_TLS: 'true',
    KAFKA_SASL_MECHANISM: 'scram-sha-512',
    KAFKA_SASL_USERNAME: 'me',
    KAFKA_SASL_PASSWORD: 'secret',
  })
  expect(config.kafka).toBeUndefined()
  expect(crawlingSettingsOf(config).brokers).toMatchObject({ brokers: ['one:9092', 'two:9092'], tls: true, saslUsername: 'me' })
})

test('or on those of the bus', () => {
  const engines = { EVENTSTOREDB_URL: 'esdb://127.0.0.1:2113?tls=false', KAFKA_BROKERS: 'one:9092' }
  expect(crawlingOf({ ...engines, CRAWLING_MODE: 'cluster' }).brokers?.brokers).toEqual(['one:9092'])
  const apart = loadConfig({ ...engines, CRAWLING_MODE: 'cluster', CRAWLING_KAFKA_BROKERS: 'other:9092' })
  expect([apart.kafka?.brokers, crawlingSettingsOf(apart).brokers?.brokers]).toEqual([['one:9092'], ['other:9092']])
})

test.each([
  [{ CRAWLING_MODE: 'bridge' }, /CRAWLING_MODE=bridge needs CRAWLING_KAFKA_BROKERS/],
  [{ CRAWLING_MODE: 'cluster' }, /CRAWLING_MODE=cluster needs CRAWLING_KAFKA_BROKERS/],
  [{ CRAWLING_MODE: 'bridge', CRAWLING_KAFKA_BROKERS: 'one' }, /^CRAWLING_KAFKA_BROKERS is not host:port/],
  [{ CRAWLING_MODE: 'bridge', KAFKA_BROKERS: 'one:9092' }, /KAFKA_BROKERS needs EVENTSTOREDB_URL.*CRAWLING_KAFKA_BROKERS/],
  [{ CRAWLING_MODE: 'both' }, /CRAWLING_MODE is not local, bridge or cluster/],
  [{ CRAWLING_TOPIC_PREFIX: 'a b' }, /CRAWLING_TOPIC_PREFIX is not a topic name/],
])('%j is refused', (env, message) => {
  expect(() => loadConfig(env)).toThrow(message)
})

test('the names of the topics are those of the original', () => {
  expect(crawlingTopics(crawlingOf({}))).toMatchObject({
    incoming: 'demo.incoming',
    outbound: 'demo.outbound_firehose',
    crawled: 'demo.crawled_firehose',
    group: 'demo-group',
  })
  const named = crawlingTopics(crawlingOf({ CRAWLING_TOPIC_PREFIX: 'mine', CRAWLING_INCOMING_TOPIC: 'fed' }))
  expect([named.incoming, named.outboundOf('app'), named.crawledOf('app')]).toEqual([
    'fed',
    'mine.outbound_app',
    'mine.crawled_app',
  ])
})
