import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createKafka } from '../../../src/bus/kafka/client.ts'
import { createEventPublisher } from '../../../src/bus/kafka/event-publisher.ts'
import { kafkaSettings } from '../../../src/bus/kafka/settings.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { newId } from '../../../src/lib/ids.ts'
import { createLocalLeadership } from '../../../src/stores/embedded/leadership.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import type { EventLog, NewEvent } from '../../../src/stores/event-log.ts'
import { canOwnKafka, ownKafka } from '../../engines/own.ts'
import { kafkaBrokers } from '../../engines/running.ts'
import { temporaryDirectory } from '../../stores/temporary.ts'
import { type Read, readTopics } from './reading.ts'

const logger = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' })
const identity = newId()

const eventOf = (n: number, more: object = {}): NewEvent => ({
  id: newId(),
  type: 'Counted',
  data: { n },
  metadata: {
    correlationId: 'the-request',
    actor: { principal: 'tester', face: null, address: '192.0.2.1' },
    schema: 1,
    ...more,
  },
})

/** Round and round over the streams; `n` is the number of each event in its own. */
const fill = async (log: EventLog, { streams, each }: { readonly streams: number; readonly each: number }): Promise<void> => {
  for (let n = 0; n < each; n += 50)
    await Promise.all(
      Array.from({ length: streams }, (_, stream) =>
        log.append(
          `counter-${stream}`,
          n === 0 ? 'noStream' : n - 1,
          Array.from({ length: Math.min(50, each - n) }, (_, more) => eventOf(n + more)),
        ),
      ),
    )
}

const start = async ({ log, brokers, prefix }: { readonly log: EventLog; readonly brokers: string; readonly prefix: string }) => {
  const settings = kafkaSettings({ KAFKA_BROKERS: brokers, KAFKA_TOPIC_PREFIX: prefix, KAFKA_PARTITIONS: '3' })
  if (settings === undefined) throw new Error('no brokers')
  const leadership = createLocalLeadership()
  const keepShort = async () => undefined
  const kafka = createKafka({ settings, logger })
  const publisher = createEventPublisher({ log, kafka, settings, identity, leadership, keepShort, clock: systemClock, logger })
  await publisher.start()
  onTestFinished(() => publisher.stop())
  return publisher
}

/** What one stream says, in the order of its reading, every event once. */
const firstSightings = (read: readonly Read[], stream: string): number[] => {
  const seen = new Set<string>()
  return read
    .filter(({ key, headers }) => key === stream && !seen.has(headers.ce_id ?? '') && seen.add(headers.ce_id ?? ''))
    .map(({ value }) => (JSON.parse(value) as { n: number }).n)
}
const upTo = (n: number): number[] => Array.from({ length: n }, (_, index) => index)

const brokers = kafkaBrokers ?? ''

describe.skipIf(kafkaBrokers === undefined)('events on Kafka', () => {
  test('an event is a CloudEvent in binary mode', async () => {
    const prefix = `publish-${newId()}`
    const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    const event = eventOf(0, { causationId: 'the-cause', traceparent })
    await log.append('counter-ü', 'noStream', [event, eventOf(1)])
    const publisher = await start({ log, brokers, prefix })
    const topic = await readTopics(brokers, [`${prefix}.events`])
    await topic.until((read) => read.length >= 2)
    await publisher.stop()
    const [recorded] = await Array.fromAsync(log.readStream('counter-ü', { limit: 1 }))
    expect(topic.read[0]).toMatchObject({
      key: 'counter-ü',
      value: '{"n":0}',
      headers: {
        ce_specversion: '1.0',
        ce_id: event.id,
        ce_source: `urn:intendant:${identity}`,
        ce_type: 'intendant.Counted',
        ce_subject: 'counter-ü',
        ce_time: recorded?.recordedAt,
        'content-type': 'application/json',
        ce_sequence: '0000000000000000',
        ce_position: recorded?.position,
        ce_correlationid: 'the-request',
        ce_causationid: 'the-cause',
        ce_traceparent: traceparent,
        ce_principal: 'tester',
      },
    })
    const second = topic.read[1]?.headers ?? {}
    expect(second.ce_sequence).toBe('0000000000000001')
    expect(Object.keys(second)).not.toContain('ce_causationid')
    expect(Object.keys(second)).not.toContain('ce_traceparent')
    await log.close()
  })

  test('the largest event that a log takes is published, between its neighbours', async () => {
    const prefix = `publish-${newId()}`
    const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
    const large: NewEvent = { ...eventOf(1), data: { n: 1, text: 'x'.repeat(1_048_000) } }
    await log.append('counter-0', 'noStream', [eventOf(0)])
    await log.append('counter-0', 0, [large])
    await log.append('counter-0', 1, [eventOf(2)])
    const publisher = await start({ log, brokers, prefix })
    const topic = await readTopics(brokers, [`${prefix}.events`])
    await topic.until((read) => read.length >= 3)
    expect(firstSightings(topic.read, 'counter-0')).toEqual([0, 1, 2])
    await publisher.stop()
    await log.close()
  })

  test('each stream keeps its order, and a publisher that was stopped goes on where it was', async () => {
    const prefix = `publish-${newId()}`
    const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
    await fill(log, { streams: 20, each: 100 })
    const first = await start({ log, brokers, prefix })
    const topic = await readTopics(brokers, [`${prefix}.events`])
    await topic.until((read) => read.length >= 2_000)
    await first.stop()
    await log.append('counter-0', 99, [eventOf(100)])
    const second = await start({ log, brokers, prefix })
    await topic.until((read) => read.length >= 2_001)
    await second.stop()
    expect(topic.read).toHaveLength(2_001)
    expect(firstSightings(topic.read, 'counter-0')).toEqual(upTo(101))
    for (const stream of upTo(19)) expect(firstSightings(topic.read, `counter-${stream + 1}`)).toEqual(upTo(100))
    expect(new Set(topic.read.map(({ partition }) => partition)).size).toBe(3)
    await log.close()
  })

  test('a publisher that was killed in the middle leaves no gap; what comes twice has the same id', async () => {
    const prefix = `publish-${newId()}`
    const path = join(temporaryDirectory(), 'log.db')
    const log = await openEmbeddedLog({ path, clock: systemClock })
    await fill(log, { streams: 20, each: 1_000 })
    await log.close()
    const child = fileURLToPath(new URL('publisher-child.ts', import.meta.url))
    const begin = () => {
      const started = spawn(process.execPath, [child, path, brokers, prefix], { stdio: ['ignore', 'ignore', 'inherit'] })
      onTestFinished(() => {
        started.kill('SIGKILL')
      })
      return started
    }
    const killed = begin()
    const topic = await readTopics(brokers, [`${prefix}.events`])
    await topic.until((read) => read.length >= 200)
    killed.kill('SIGKILL')
    await once(killed, 'exit')
    const after = begin()
    await topic.until(() => topic.distinct() >= 20_000)
    after.kill('SIGKILL')
    for (const stream of upTo(20)) expect(firstSightings(topic.read, `counter-${stream}`)).toEqual(upTo(1_000))
    // What is repeated is a stretch of each stream, never the whole of it in disorder.
    const repeated = topic.read.length - topic.distinct()
    expect(repeated).toBeLessThan(20_000)
  })
})

describe.skipIf(!canOwnKafka)('events on a Kafka that dies', () => {
  test('are all there and in order when it is back', async () => {
    const kafka = await ownKafka()
    onTestFinished(() => kafka.stop())
    const prefix = `publish-${newId()}`
    const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
    await fill(log, { streams: 10, each: 50 })
    const publisher = await start({ log, brokers: kafka.brokers, prefix })
    const before = await readTopics(kafka.brokers, [`${prefix}.events`])
    await before.until((read) => read.length >= 500)
    await kafka.kill('SIGKILL')
    for (let n = 50; n < 100; n++) await log.append('counter-0', n - 1, [eventOf(n)])
    await kafka.start()
    const topic = await readTopics(kafka.brokers, [`${prefix}.events`])
    await topic.until(() => topic.distinct() >= 550)
    expect(firstSightings(topic.read, 'counter-0')).toEqual(upTo(100))
    for (const stream of upTo(9)) expect(firstSightings(topic.read, `counter-${stream + 1}`)).toEqual(upTo(50))
    await publisher.stop()
    await log.close()
  }, 120_000)
})
