import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createKafka } from '../../../../src/bus/kafka/client.ts'
import { createKafkaMessageTopics } from '../../../../src/bus/kafka/kafka-message-topics.ts'
import { kafkaSettings } from '../../../../src/bus/kafka/settings.ts'
import type { TopicMessage } from '../../../../src/bus/message-topics.ts'
import { type CrawlingSettings, defaultCrawlingSettings } from '../../../../src/commands/crawling/settings.ts'
import { createKinds } from '../../../../src/commands/kind.ts'
import { createSubmit } from '../../../../src/commands/submit.ts'
import { systemClock } from '../../../../src/lib/clock.ts'
import { newId } from '../../../../src/lib/ids.ts'
import type { JsonObject } from '../../../../src/lib/json.ts'
import { createLocalLeadership } from '../../../../src/stores/embedded/leadership.ts'
import { openSecrets } from '../../../../src/stores/embedded/secrets.ts'
import { crawlWork } from '../../../../src/workers/crawling/kinds/crawl.ts'
import { createCluster } from '../../../../src/workers/crawling/topics/cluster.ts'
import { createClusterFeed } from '../../../../src/workers/crawling/topics/cluster-feed.ts'
import { messageId } from '../../../../src/workers/crawling/topics/topic-messages.ts'
import type { Work } from '../../../../src/workers/work.ts'
import { clientOf, type Read, readTopics } from '../../../bus/kafka/reading.ts'
import { canOwnKafka, ownKafka } from '../../../engines/own.ts'
import { kafkaBrokers } from '../../../engines/running.ts'
import { openCrawling, openSite } from '../harness.ts'

const logger = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' })
const brokers = kafkaBrokers ?? ''

type Crawling = Awaited<ReturnType<typeof openCrawling>>

const submitOf = ({ executor, log, settings, clock }: Crawling) => {
  const spider = { attach: () => undefined, wake: () => undefined, run: () => Promise.reject(new Error('not here')) }
  const kinds = createKinds([crawlWork({ spider: spider as never, settings, clock }) as unknown as Work])
  return createSubmit({
    executor,
    kinds,
    secrets: openSecrets({ log, masterKey: Buffer.alloc(32, 7) }),
    blobs: { has: async () => false, using: (work) => work() },
  })
}

const message = (value: string, more: Partial<TopicMessage> = {}): TopicMessage => ({
  topic: 'demo.incoming',
  partition: 0,
  offset: '7',
  timestamp: '1700000000000',
  value: Buffer.from(value),
  ...more,
})
const fed = JSON.stringify({ appid: 'test', crawlid: 'one', url: 'http://127.0.0.1/' })

describe('what is fed by Kafka', () => {
  test('is fed once, however often it is delivered', async () => {
    const crawling = await openCrawling({ isStarted: false })
    const take = createClusterFeed({
      executor: crawling.executor,
      submit: submitOf(crawling),
      settings: defaultCrawlingSettings,
      logger,
    })
    for (const _ of [1, 2, 3]) await take(message(fed))
    await take(message(fed, { offset: '8' }))
    const events = await crawling.allEvents()
    expect(events.map(({ type, stream }) => [type, stream])).toEqual(
      ['7', '8'].map((offset) => ['OperationRequested', `operation-${messageId(message(fed, { offset }))}`]),
    )
    expect(events[0]?.metadata.actor).toEqual({ principal: 'kafka', face: 'crawling', address: null })
  })

  test('and is none of the four requests is kept with the reasons', async () => {
    const crawling = await openCrawling({ isStarted: false })
    const take = createClusterFeed({
      executor: crawling.executor,
      submit: submitOf(crawling),
      settings: defaultCrawlingSettings,
      logger,
    })
    const payloads = ['{', '', 'null', '{"appid":"test","crawlid":"one"}']
    for (const [index, payload] of payloads.entries()) await take(message(payload, { offset: String(index) }))
    const events = await crawling.allEvents()
    expect(events.map(({ type }) => type)).toEqual(payloads.map(() => 'FeedRejected'))
    expect(events.map(({ data }) => data.payload)).toEqual(['{', '', null, { appid: 'test', crawlid: 'one' }])
    expect(events[0]?.data.errors).toEqual([{ pointer: '', message: 'is not JSON' }])
  })

  test('a message of a topic that was made anew is another message', () => {
    expect(messageId(message(fed))).toBe(messageId(message(fed)))
    expect(messageId(message(fed))).not.toBe(messageId(message(fed, { timestamp: '1700000000001' })))
  })
})

const startCluster = async (crawling: Crawling, settings: Partial<CrawlingSettings>, address = brokers) => {
  const kafka = kafkaSettings({ KAFKA_BROKERS: address })
  if (kafka === undefined) throw new Error('no brokers')
  const client = createKafka({ settings: kafka, logger })
  const topics = createKafkaMessageTopics({ kafka: client, settings: kafka, clock: systemClock, logger })
  const cluster = createCluster({
    ...crawling,
    topics,
    submit: submitOf(crawling),
    leadership: createLocalLeadership(),
    keepShort: async () => undefined,
    settings: { ...crawling.settings, ...settings },
    logger,
  })
  await cluster.start()
  onTestFinished(() => cluster.stop())
}

const itemsOf = (read: readonly Read[]): readonly JsonObject[] => read.map(({ value }) => JSON.parse(value) as JsonObject)

describe.skipIf(kafkaBrokers === undefined)('what is sent to Kafka', () => {
  test('an item that its topic does not take is sent without its body', async () => {
    const topicPrefix = `cluster-${newId()}`
    const admin = clientOf(brokers).admin()
    await admin.connect()
    await admin.createTopics({
      topics: [{ topic: `${topicPrefix}.crawled_firehose`, configEntries: [{ name: 'max.message.bytes', value: '20000' }] }],
    })
    await admin.disconnect()
    const page = (text: string): string => `<html><body>${text}</body></html>`
    const site = await openSite({ '/small': page('small'), '/large': page('x'.repeat(30_000)), '/again': page('again') })
    const crawling = await openCrawling()
    await startCluster(crawling, { topicPrefix })
    for (const path of ['/small', '/large', '/again']) await crawling.ended(await crawling.feed({ url: site.url(path) }))
    const topic = await readTopics(brokers, [`${topicPrefix}.crawled_firehose`])
    await topic.until((read) => read.length >= 3)
    const items = itemsOf(topic.read)
    const of = (path: string) => items.find(({ url }) => url === site.url(path)) ?? {}
    expect(of('/small').body).toBe(page('small'))
    expect(of('/again').body).toBe(page('again'))
    expect(of('/large')).toMatchObject({ status_code: 200, body: '', body_truncated: true, encoding: 'utf-8', links: [] })
    expect(Object.keys(of('/small'))).not.toContain('body_truncated')
    // Kept whole all the same.
    const row = crawling.items.items({ limit: 10 }).items.find(({ url }) => url === site.url('/large'))
    expect(row?.bytes).toBe(page('x'.repeat(30_000)).length)
  })

  test('what is no text is sent as base64', async () => {
    const topicPrefix = `cluster-${newId()}`
    const bytes = Buffer.from([0, 255, 1, 254])
    const site = await openSite((_request, response) => {
      response.writeHead(200, { 'content-type': 'image/png' }).end(bytes)
    })
    const crawling = await openCrawling()
    await startCluster(crawling, { topicPrefix })
    await crawling.ended(await crawling.feed({ url: site.url('/picture') }))
    const topic = await readTopics(brokers, [`${topicPrefix}.crawled_firehose`])
    await topic.until((read) => read.length >= 1)
    expect(itemsOf(topic.read)[0]).toMatchObject({ body: bytes.toString('base64'), body_base64: true, encoding: 'iso-8859-1' })
  })

  test('that a crawl has expired is told without a uuid', async () => {
    const topicPrefix = `cluster-${newId()}`
    const crawling = await openCrawling({ settings: { hits: 1, windowS: 3_600 } })
    await startCluster(crawling, { topicPrefix })
    const expires = Math.floor(systemClock.now() / 1000) + 1
    const site = await openSite({ '/': '<p>one</p>' })
    // The second waits for the throttle until its crawl expires.
    await crawling.ended(await crawling.feed({ url: site.url('/') }))
    await crawling.feed({ url: site.url('/other'), crawlid: 'short', expires })
    const topic = await readTopics(brokers, [`${topicPrefix}.outbound_firehose`])
    await topic.until((read) => read.length >= 1)
    const [told] = itemsOf(topic.read)
    expect(told).toEqual({
      action: 'expired',
      server_time: expect.any(Number),
      appid: 'test',
      crawlid: 'short',
      spiderid: 'link',
      total_expired: 1,
    })
    expect(Number(told?.server_time)).toBeGreaterThanOrEqual(expires)
  })
})

describe.skipIf(!canOwnKafka)('a broker that dies', () => {
  test('holds nothing up for good: what was crawled meanwhile is sent, what is fed after it is taken', async () => {
    const kafka = await ownKafka()
    onTestFinished(() => kafka.stop())
    const topicPrefix = `cluster-${newId()}`
    const crawledTopic = `${topicPrefix}.crawled_firehose`
    const site = await openSite((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<p>one page</p>')
    })
    const crawling = await openCrawling()
    await startCluster(crawling, { topicPrefix }, kafka.brokers)
    const feed = async (path: string): Promise<void> => {
      const producer = clientOf(kafka.brokers).producer()
      await producer.connect()
      const value = JSON.stringify({ appid: 'test', crawlid: 'one', url: site.url(path) })
      await producer.send({ topic: `${topicPrefix}.incoming`, messages: [{ value }] })
      await producer.disconnect()
    }
    const before = await readTopics(kafka.brokers, [crawledTopic])
    await feed('/before')
    await before.until((read) => read.length >= 1)
    await kafka.kill('SIGKILL')
    await Promise.all([1, 2, 3].map(async (n) => crawling.ended(await crawling.feed({ url: site.url(`/meanwhile/${n}`) }))))
    await kafka.start()
    await feed('/after')
    const after = await readTopics(kafka.brokers, [crawledTopic])
    const paths = (read: readonly Read[]) => new Set(itemsOf(read).map(({ url }) => new URL(String(url)).pathname))
    await after.until((read) => paths(read).size >= 5)
    expect([...paths(after.read)].toSorted()).toEqual(['/after', '/before', '/meanwhile/1', '/meanwhile/2', '/meanwhile/3'])
    expect((await crawling.allEvents()).filter(({ type }) => type === 'OperationRequested')).toHaveLength(5)
  }, 150_000)
})
