import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { clientOf, type Read, readTopics } from '../bus/kafka/reading.ts'
import { canOwnKafka, ownKafka } from '../engines/own.ts'
import { freePortPair } from '../engines/ports.ts'
import { kafkaBrokers } from '../engines/running.ts'
import { startScrapyCluster } from '../http/crawling/scrapy-cluster.ts'
import { allEvents, getJson, type Json, postJson, runCommand, startServer, temporaryDirectory } from './harness.ts'

const brokers = kafkaBrokers ?? ''
const pages = 12

/** The example site in a process of its own. */
const startSite = async (): Promise<{ readonly url: string; readonly stop: () => void }> => {
  const port = await freePortPair()
  const main = fileURLToPath(new URL('../../examples/site/serve.ts', import.meta.url))
  const site = spawn(process.execPath, [main, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(createInterface({ input: site.stdout }), 'line')
  return { url: `http://127.0.0.1:${port}/`, stop: () => site.kill('SIGKILL') }
}

/** A foreign program that feeds. */
const feeder = async (prefix: string) => {
  const producer = clientOf(brokers).producer()
  await producer.connect()
  onTestFinished(() => producer.disconnect())
  return (...values: readonly (Json | string)[]): Promise<unknown> =>
    producer.send({
      topic: `${prefix}.incoming`,
      messages: values.map((value) => ({ value: typeof value === 'string' ? value : JSON.stringify(value) })),
    })
}

const parsed = (read: readonly Read[]): readonly Json[] => read.map(({ value }) => JSON.parse(value) as Json)
const urls = (items: readonly Json[]): readonly string[] => [...new Set(items.map(({ url }) => String(url)))]

describe.skipIf(kafkaBrokers === undefined)('a server fed and read through Kafka', () => {
  let site: Awaited<ReturnType<typeof startSite>>
  beforeAll(async () => {
    site = await startSite()
  })
  afterAll(() => site.stop())

  const environment = (prefix: string): Record<string, string> => ({
    CRAWLING_MODE: 'cluster',
    CRAWLING_KAFKA_BROKERS: brokers,
    CRAWLING_TOPIC_PREFIX: prefix,
    CRAWLING_APPID_TOPICS: 'true',
    CRAWLING_HITS: '100000',
    CRAWLING_WINDOW_S: '1',
    CRAWLING_MODERATED: 'false',
  })
  const crawl = (crawlid: string): Json => ({ appid: 'testapp', crawlid, url: site.url, maxdepth: 3, attrs: { any: 1 } })

  test('items and answers come to whoever reads their topics', async () => {
    const prefix = `cluster-${newId()}`
    const server = await startServer({ env: environment(prefix) })
    const firehose = await readTopics(brokers, [`${prefix}.crawled_firehose`, `${prefix}.outbound_firehose`])
    const feed = await feeder(prefix)
    await feed(crawl('one'))
    const itemsOf = (read: readonly Read[]) => parsed(read.filter(({ topic }) => topic === `${prefix}.crawled_firehose`))
    await firehose.until((read) => urls(itemsOf(read)).length >= pages)
    const items = itemsOf(firehose.read)
    const front = items.find(({ url }) => url === site.url) as Json
    expect(Object.keys(front)).toEqual([
      'appid',
      'crawlid',
      'attrs',
      'url',
      'response_url',
      'status_code',
      'status_msg',
      'request_headers',
      'response_headers',
      'body',
      'encoding',
      'links',
      'timestamp',
    ])
    expect(front).toMatchObject({ appid: 'testapp', crawlid: 'one', attrs: { any: 1 }, status_code: 200, status_msg: 'OK' })
    expect(front.body).toContain('</html>')
    expect(front.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/)

    // Rubbish does not hold up what comes after it; requests are answered.
    await feed('no json', '[]', { appid: 'testapp' }, { uuid: 'u-1', appid: 'testapp', stats: 'kafka-monitor' })
    await feed({ uuid: 'u-2', appid: 'testapp', crawlid: 'one', spiderid: 'link', action: 'stop' })
    const answersOf = (read: readonly Read[]) => parsed(read.filter(({ topic }) => topic === `${prefix}.outbound_firehose`))
    await firehose.until((read) => answersOf(read).length >= 2)
    const [counted, stopped] = answersOf(firehose.read).toSorted((one, other) =>
      String(one.uuid).localeCompare(String(other.uuid)),
    )
    expect(counted).toMatchObject({ uuid: 'u-1', appid: 'testapp', stats: 'kafka-monitor' })
    expect((counted as { fail: Json }).fail.lifetime).toBe(3)
    expect(stopped).toMatchObject({ action: 'stop', uuid: 'u-2', crawlid: 'one', spiderid: 'link', total_purged: 0 })

    // Both again on the topics of the application alone, and what is fed by HTTP is sent too.
    await postJson(`${server.url}/feed`, { uuid: 'u-3', appid: 'testapp', stats: 'rest' })
    await firehose.until((read) => answersOf(read).some(({ uuid }) => uuid === 'u-3'))
    const own = await readTopics(brokers, [`${prefix}.crawled_testapp`, `${prefix}.outbound_testapp`])
    await own.until((read) => read.length >= firehose.read.length)
    const texts = (read: readonly Read[]) => read.map(({ value }) => value).toSorted()
    expect(texts(own.read)).toEqual(texts(firehose.read))
  })

  test('a server that is killed in the middle goes on: nothing fed is lost or fed twice, every item is sent', async () => {
    const prefix = `cluster-${newId()}`
    const dataDir = temporaryDirectory()
    const first = await startServer({ dataDir, env: { ...environment(prefix), LEASE_MS: '1000' } })
    const feed = await feeder(prefix)
    const crawlids = Array.from({ length: 30 }, (_, n) => `crawl-${n}`)
    await feed(...crawlids.map(crawl))
    const topic = await readTopics(brokers, [`${prefix}.crawled_firehose`])
    await topic.until((read) => read.length >= 20)
    first.kill('SIGKILL')
    await first.ended
    const second = await startServer({ dataDir, env: { ...environment(prefix), LEASE_MS: '1000' } })
    const sent = new Map<unknown, Set<unknown>>()
    let seen = 0
    // Each message is looked at once: parsing all of them anew for each would be the slowest part.
    await topic.until((read) => {
      for (const { crawlid, url } of parsed(read.slice(seen))) sent.set(crawlid, (sent.get(crawlid) ?? new Set()).add(url))
      seen = read.length
      return crawlids.every((crawlid) => (sent.get(crawlid)?.size ?? 0) >= pages)
    })
    const requested = (await allEvents(second.url)).filter(({ type }) => type === 'OperationRequested')
    expect(requested).toHaveLength(crawlids.length)
  })
})

describe.skipIf(kafkaBrokers === undefined)('a server in front of a Scrapy Cluster', () => {
  test('passes feeds on, answers, and shows no work of its own', async () => {
    const prefix = `bridge-${newId()}`
    const cluster = await startScrapyCluster(brokers, {
      prefix,
      answer: (fed) => ('uuid' in (fed as Json) ? [{ ...(fed as { uuid: string }), server_time: 1 }] : []),
    })
    const env = { CRAWLING_MODE: 'bridge', CRAWLING_KAFKA_BROKERS: brokers, CRAWLING_TOPIC_PREFIX: prefix }
    const server = await startServer({ env })
    expect(await getJson(`${server.url}/`)).toMatchObject({ kafka_connected: true, redis_connected: true })
    const asked = { uuid: 'u-1', appid: 'testapp', stats: 'all' }
    const answered = (await (await postJson(`${server.url}/feed`, asked)).json()) as Json
    expect(answered).toEqual({ status: 'SUCCESS', data: { ...asked, server_time: 1 }, error: null })
    const crawled = await postJson(`${server.url}/feed`, { appid: 'testapp', crawlid: 'one', url: 'http://127.0.0.1/' })
    expect(await crawled.json()).toEqual({ status: 'SUCCESS', data: null, error: null })
    await cluster.untilFed(2)
    expect(((await getJson(`${server.url}/v1/operations`)) as { items: Json[] }).items).toEqual([])
    server.kill('SIGTERM')
    expect((await server.ended).code).toBe(0)
  })

  test('starts without a broker and says so', async () => {
    const env = { CRAWLING_MODE: 'bridge', CRAWLING_KAFKA_BROKERS: `127.0.0.1:${await freePortPair()}`, LOG_LEVEL: 'silent' }
    const server = await startServer({ env })
    expect(await getJson(`${server.url}/`)).toMatchObject({
      kafka_connected: false,
      redis_connected: true,
      node_health: 'YELLOW',
    })
    const refused = await postJson(`${server.url}/feed`, { appid: 'testapp', crawlid: 'one', url: 'http://127.0.0.1/' })
    expect(refused.status).toBe(500)
    server.kill('SIGTERM')
    expect((await server.ended).code).toBe(0)
  })

  test('does not start without the name of a broker', async () => {
    const { code, stderr } = await runCommand(['serve'], { env: { CRAWLING_MODE: 'bridge', PORT: '0' } })
    expect(code).not.toBe(0)
    expect(stderr).toContain('CRAWLING_MODE=bridge needs CRAWLING_KAFKA_BROKERS')
  })
})

describe.skipIf(!canOwnKafka)('a server in place of a Scrapy Cluster', () => {
  test('tells that its broker is gone, and that it is back', async () => {
    const kafka = await ownKafka()
    onTestFinished(() => kafka.stop())
    const env = { CRAWLING_MODE: 'cluster', CRAWLING_KAFKA_BROKERS: kafka.brokers, CRAWLING_TOPIC_PREFIX: `cluster-${newId()}` }
    const server = await startServer({ env: { ...env, LOG_LEVEL: 'silent' } })
    const untilConnected = async (expected: boolean): Promise<unknown> => {
      for (;;) {
        const shown = (await getJson(`${server.url}/`)) as Json
        if (shown.kafka_connected === expected) return shown
        await systemClock.sleep(50)
      }
    }
    expect(await untilConnected(true)).toMatchObject({ redis_connected: true, node_health: 'GREEN' })
    await kafka.kill('SIGKILL')
    expect(await untilConnected(false)).toMatchObject({ redis_connected: true, node_health: 'YELLOW' })
    const ready = await fetch(`${server.url}/readyz`)
    expect(ready.status).toBe(503)
    const { status, checks } = (await ready.json()) as { status: string; checks: Record<string, string> }
    expect(status).toBe('failing')
    expect(checks['crawling-kafka']).toBe(`no broker answers at ${kafka.brokers}`)
    // What is fed is kept meanwhile.
    expect((await postJson(`${server.url}/feed`, { appid: 'testapp', crawlid: 'one', url: 'http://127.0.0.1:1/' })).status).toBe(
      200,
    )
    await kafka.start()
    expect(await untilConnected(true)).toMatchObject({ node_health: 'GREEN' })
    server.kill('SIGTERM')
    expect((await server.ended).code).toBe(0)
  }, 120_000)
})
