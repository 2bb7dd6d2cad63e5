import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createKafka } from '../../../src/bus/kafka/client.ts'
import { createKafkaMessageTopics } from '../../../src/bus/kafka/kafka-message-topics.ts'
import { kafkaSettings } from '../../../src/bus/kafka/settings.ts'
import { type CrawlingSettings, defaultCrawlingSettings } from '../../../src/commands/crawling/settings.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { newId } from '../../../src/lib/ids.ts'
import { isObject, type JsonObject } from '../../../src/lib/json.ts'
import { itemQueries } from '../../../src/projections/crawling/items.ts'
import { createBridge } from '../../../src/workers/crawling/topics/bridge.ts'
import { canOwnKafka, ownKafka } from '../../engines/own.ts'
import { kafkaBrokers } from '../../engines/running.ts'
import { type FaceUnderTest, startFace } from './harness.ts'
import { startScrapyCluster } from './scrapy-cluster.ts'

const logger = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' })

const startBridge = ({
  brokers,
  prefix,
  settings = {},
}: {
  readonly brokers: string
  readonly prefix: string
  readonly settings?: Partial<CrawlingSettings>
}): Promise<FaceUnderTest> => {
  const kafka = kafkaSettings({ KAFKA_BROKERS: brokers })
  if (kafka === undefined) throw new Error('no brokers')
  const client = createKafka({ settings: kafka, logger })
  const topics = createKafkaMessageTopics({ kafka: client, settings: kafka, clock: systemClock, logger })
  return startFace({
    settings: { mode: 'bridge', topicPrefix: prefix, ...settings },
    bridge: (ports) => createBridge({ ...ports, topics }),
  })
}

const stats = (uuid: string): JsonObject => ({ uuid, appid: 'testapp', stats: 'queue' })
const wrapped = (data: unknown) => ({ status: 'SUCCESS', data, error: null })

/** Resolves when the answer of a uuid can be polled. */
const poll = async (face: FaceUnderTest, uuid: string) => {
  await face.untilAnswer(uuid, 'stored')
  return face.post('/poll', { poll_id: uuid })
}

const brokers = kafkaBrokers ?? ''

describe.skipIf(kafkaBrokers === undefined)('in front of a Scrapy Cluster', () => {
  test('what is fed arrives as it was written, without a key, and in its order', async () => {
    const prefix = `bridge-${newId()}`
    const cluster = await startScrapyCluster(brokers, { prefix })
    const face = await startBridge({ brokers, prefix })
    const texts = [
      '{"appid" : "testapp", "crawlid":"abc",  "url": "http://ex.com/\\u00e9", "maxdepth": 1.0, "priority": 12345678901234567890}',
      '{"anything": "else"}',
      '[1, 2]',
      '"text"',
    ]
    for (const text of texts) expect((await face.post('/feed', { raw: text })).body).toEqual(wrapped(null))
    expect((await face.post('/feed', { raw: '7' })).status).toBe(500)
    expect((await face.post('/feed', { raw: '{' })).status).toBe(400)
    await cluster.untilFed(5)
    expect(cluster.fed).toEqual([...texts, '7'].map((text) => ({ key: null, text })))
    // On the record: received, then forwarded.
    const events = await Array.fromAsync(face.ports.log.readAll({ filter: { streamPrefixes: ['forward-'] } }))
    expect(events.map(({ type }) => type)).toEqual(Array(5).fill(['FeedReceived', 'FeedForwarded']).flat())
    // No crawl runs here.
    expect(await Array.fromAsync(face.ports.log.readAll({ filter: { streamPrefixes: ['operation-'] } }))).toEqual([])
  })

  test('an answer is given to who asked, at once and only once', async () => {
    const prefix = `bridge-${newId()}`
    await startScrapyCluster(brokers, {
      prefix,
      answer: (fed) => (isObject(fed) ? [{ ...(fed as JsonObject), server_time: 12, total_backlog: 3 }] : []),
    })
    // A face that waited for longer than the answer takes would wait until the test fails.
    const face = await startBridge({ brokers, prefix, settings: { responseWaitMs: 600_000 } })
    const answered = await face.post('/feed', stats('u-1'))
    expect(answered.body).toEqual(wrapped({ ...stats('u-1'), server_time: 12, total_backlog: 3 }))
    expect((await face.post('/poll', { poll_id: 'u-1' })).status).toBe(404)
    // Twenty clients with one uuid and twenty answers: nobody gets nothing.
    const all = await Promise.all(Array.from({ length: 20 }, () => face.post('/feed', stats('u-shared'))))
    expect(all.map(({ body }) => (body as JsonObject).data)).toEqual(
      Array(20).fill({ ...stats('u-shared'), server_time: 12, total_backlog: 3 }),
    )
    expect((await face.post('/poll', { poll_id: 'u-shared' })).status).toBe(404)
  })

  test('a late answer is polled once; the latest one of several', async () => {
    const prefix = `bridge-${newId()}`
    const cluster = await startScrapyCluster(brokers, { prefix })
    const face = await startBridge({ brokers, prefix, settings: { responseWaitMs: 300 } })
    expect((await face.post('/feed', stats('late'))).body).toEqual(wrapped({ poll_id: 'late' }))
    expect((await face.post('/poll', { poll_id: 'late' })).status).toBe(404)
    await cluster.say(JSON.stringify({ uuid: 'late', appid: 'testapp', n: 1 }))
    await face.untilAnswer('late', 'stored')
    await cluster.say(JSON.stringify({ uuid: 'late', appid: 'testapp', n: 2 }))
    await face.untilAnswer('late', 'stored', 2)
    expect((await face.post('/poll', { poll_id: 'late' })).body).toEqual(wrapped({ uuid: 'late', appid: 'testapp', n: 2 }))
    expect((await face.post('/poll', { poll_id: 'late' })).status).toBe(404)
  })

  test('answers to requests of other programs can be polled; rubbish between them is passed over', async () => {
    const prefix = `bridge-${newId()}`
    const cluster = await startScrapyCluster(brokers, { prefix })
    await cluster.say(JSON.stringify({ uuid: 'before the start' }))
    const face = await startBridge({ brokers, prefix })
    await cluster.say('no json')
    await cluster.say('[]')
    await cluster.say('')
    const expired = { action: 'expired', server_time: 1_700_000_000, appid: 'testapp', crawlid: 'old', spiderid: 'link' }
    await cluster.say(JSON.stringify({ ...expired, total_expired: 4 }))
    await cluster.say(JSON.stringify({ uuid: 'of another', appid: 'testapp' }))
    expect((await poll(face, 'of another')).body).toEqual(wrapped({ uuid: 'of another', appid: 'testapp' }))
    expect((await face.post('/poll', { poll_id: 'before the start' })).status).toBe(404)
    const list = (await face.send('/v1/crawls/stop-list')).body as { items: JsonObject[] }
    expect(list.items).toMatchObject([{ appid: 'testapp', crawlid: 'old', spiderid: 'link', cause: 'expired' }])
  })

  test('items of the cluster are kept where that is wanted', async () => {
    const prefix = `bridge-${newId()}`
    const cluster = await startScrapyCluster(brokers, { prefix })
    const item = {
      appid: 'testapp',
      crawlid: 'one',
      attrs: null,
      url: 'http://example.com/',
      response_url: 'http://example.com/index.html',
      status_code: 200,
      status_msg: 'OK',
      request_headers: {},
      response_headers: { 'Content-Type': ['text/html; charset=windows-1251'] },
      body: '<p>Привет</p>',
      encoding: 'windows-1251',
      links: [],
      timestamp: '2016-01-05T20:14:54.653703',
    }
    await cluster.crawled('json failed to parse')
    await cluster.crawled(JSON.stringify(item))
    const face = await startBridge({ brokers, prefix, settings: { bridgeItems: true } })
    const items = itemQueries(face.ports.knowledge.present(['crawling-items']).views('crawling-items'))
    const kept = await new Promise<string>((resolve) => {
      const look = (): void => {
        const [row] = items.items({ limit: 10, appid: ['testapp'] }).items
        if (row === undefined) return
        detach()
        resolve(row.id)
      }
      const detach = face.ports.projections.onApplied(look)
      look()
    })
    expect((await face.send(`/v1/crawls/items/${kept}`)).body).toEqual({ ...item, encoding: 'utf-8' })
  })

  test('two nodes of one log record an answer once, and each hears what it asked', async () => {
    const prefix = `bridge-${newId()}`
    const cluster = await startScrapyCluster(brokers, { prefix })
    const face = await startBridge({ brokers, prefix })
    const kafka = kafkaSettings({ KAFKA_BROKERS: brokers })
    if (kafka === undefined) throw new Error('no brokers')
    const topics = createKafkaMessageTopics({
      kafka: createKafka({ settings: kafka, logger }),
      settings: kafka,
      clock: systemClock,
      logger,
    })
    const { executor, blobs, clock } = face.ports
    const settings = { ...defaultCrawlingSettings, topicPrefix: prefix }
    const other = createBridge({ topics, executor, blobs, settings, clock, logger })
    await other.start()
    onTestFinished(() => other.stop())
    const asking = other.ask('on the other node')
    await cluster.say(JSON.stringify({ uuid: 'on the other node', appid: 'testapp' }))
    const given = await asking.answer({ timeoutMs: 30_000, signal: new AbortController().signal })
    expect(given?.answer).toEqual({ uuid: 'on the other node', appid: 'testapp' })
    asking.leave()
    await cluster.say(JSON.stringify({ uuid: 'last', appid: 'testapp' }))
    await face.untilAnswer('last', 'stored')
    const received = await Array.fromAsync(face.ports.log.readAll({ filter: { typePrefixes: ['AnswerReceived'] } }))
    expect(received.map(({ data }) => data.uuid)).toEqual(['on the other node', 'last'])
  })
})

describe.skipIf(!canOwnKafka)('in front of a Scrapy Cluster whose broker dies', () => {
  const index = async (face: FaceUnderTest) => (await face.send('/')).body as JsonObject
  const untilConnected = async (face: FaceUnderTest, expected: boolean): Promise<void> => {
    while ((await index(face)).kafka_connected !== expected) await systemClock.sleep(50)
  }

  test('the index says so, a feed is refused, and all is well when it is back', async () => {
    const kafka = await ownKafka()
    onTestFinished(() => kafka.stop())
    const prefix = `bridge-${newId()}`
    const answer = (fed: unknown): JsonObject[] => (isObject(fed) && 'uuid' in fed ? [{ ...(fed as JsonObject), n: 1 }] : [])
    await startScrapyCluster(kafka.brokers, { prefix, answer })
    const face = await startBridge({ brokers: kafka.brokers, prefix })
    expect(await index(face)).toMatchObject({ kafka_connected: true, redis_connected: true, node_health: 'GREEN' })
    expect((await face.post('/feed', stats('first'))).body).toEqual(wrapped({ ...stats('first'), n: 1 }))
    await kafka.kill('SIGKILL')
    await untilConnected(face, false)
    expect(await index(face)).toMatchObject({ kafka_connected: false, redis_connected: true, node_health: 'YELLOW' })
    const refused = await face.post('/feed', stats('refused'))
    expect([refused.status, refused.body]).toEqual([
      500,
      { status: 'FAILURE', data: null, error: { message: 'Unable to connect to Kafka' } },
    ])
    expect((await face.post('/poll', { poll_id: 'nobody' })).status).toBe(404)
    await kafka.start()
    await untilConnected(face, true)
    // The group of this reader lives again only when its old membership has run out: then the answer is polled.
    const { data } = (await face.post('/feed', stats('again'))).body as JsonObject
    const answered = isObject(data) && 'poll_id' in data ? ((await poll(face, 'again')).body as JsonObject).data : data
    expect(answered).toEqual({ ...stats('again'), n: 1 })
  }, 120_000)
})
