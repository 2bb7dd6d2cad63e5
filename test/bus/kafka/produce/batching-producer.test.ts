import type { Kafka, ProducerBatch } from 'kafkajs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createKafka } from '../../../../src/bus/kafka/client.ts'
import { ensureTopics, topicPlan } from '../../../../src/bus/kafka/create-topics.ts'
import { createGatheringProducer } from '../../../../src/bus/kafka/produce/batching-producer.ts'
import { systemClock } from '../../../../src/lib/clock.ts'
import { kafkaBrokers } from '../../../engines/running.ts'
import { keptLog, settingsFor } from '../harness.ts'
import { readTopics } from '../reading.ts'

const clock = systemClock
const { logger } = keptLog('warn')

/** kafkajs whose producers are numbered; the first batch ends without an answer. */
const kafkaThatFailsOnce = () => {
  const sentBy: number[] = []
  let made = 0
  const producer = () => {
    const number = ++made
    return {
      connect: async () => undefined,
      disconnect: async () => undefined,
      sendBatch: async ({ topicMessages = [] }: ProducerBatch) => {
        sentBy.push(number)
        if (sentBy.length === 1) throw new Error('the connection was closed')
        return topicMessages.map(({ topic }) => ({ topicName: topic, partition: undefined, errorCode: 0 }))
      },
    }
  }
  return { kafka: { producer } as unknown as Kafka, sentBy }
}

test.each(['time', 'tries'] as const)(
  'after a batch whose outcome is unknown the next one has a sequence of its own (bound by %s)',
  async (bound) => {
    const { kafka, sentBy } = kafkaThatFailsOnce()
    const producer = createGatheringProducer({ kafka, bound, clock, logger })
    const message = { topic: 'jobs', key: null, value: 'one' }
    await expect(producer.send([message])).rejects.toMatchObject({ name: 'Unavailable' })
    await producer.send([{ ...message, value: 'two' }])
    expect(sentBy).toEqual([1, 2])
    await producer.close()
    await expect(producer.send([message])).rejects.toMatchObject({ name: 'Unavailable' })
  },
)

test('what nobody takes in time is given up, and nobody waits for it', async () => {
  const never = new Promise<never>(() => undefined)
  const kafka = { producer: () => ({ connect: () => never, disconnect: async () => undefined }) } as unknown as Kafka
  const timers: (() => void)[] = []
  const after = (_: number, run: () => void): (() => void) => {
    timers.push(run)
    return () => undefined
  }
  const producer = createGatheringProducer({ kafka, bound: 'time', clock: { ...clock, after }, logger })
  const sent = producer.send([{ topic: 'jobs', key: null, value: 'one' }])
  for (const run of timers) run()
  await expect(sent).rejects.toThrow('within 10000 ms')
  const closed = producer.close()
  for (const run of timers) run()
  await closed
})

describe.skipIf(kafkaBrokers === undefined)('a message that is too large for its topic', () => {
  test('is told apart; others are taken, but nothing of its call that comes after it', async () => {
    const settings = settingsFor(kafkaBrokers ?? '')
    const kafka = createKafka({ settings, logger })
    const topic = `${settings.topicPrefix}.small`
    const plan = topicPlan(settings, { topic, partitions: 1, retentionMs: -1, maxMessageBytes: 2_000 })
    await ensureTopics({ kafka, settings, topics: [plan], clock, logger })
    const producer = createGatheringProducer({ kafka, bound: 'tries', clock, logger })
    onTestFinished(() => producer.close())
    const send = (...values: readonly string[]) => producer.send(values.map((value) => ({ topic, key: null, value })))
    const results = await Promise.allSettled([send('1', '2'), send('3', 'x'.repeat(3_000), 'never'), send('4', '5')])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(results[1]).toMatchObject({ reason: { name: 'Unacceptable', message: expect.stringContaining(topic) } })
    await send('6')
    const { until, read } = await readTopics(kafkaBrokers ?? '', [topic])
    await until((all) => all.some(({ value }) => value === '6'))
    expect(read.map(({ value }) => value)).toEqual(['1', '2', '3', '4', '5', '6'])
  })
})
