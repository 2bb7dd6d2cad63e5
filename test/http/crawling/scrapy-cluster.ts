import { onTestFinished } from 'vitest'
import { newId } from '../../../src/lib/ids.ts'
import type { JsonObject, JsonValue } from '../../../src/lib/json.ts'
import { clientOf } from '../../bus/kafka/reading.ts'

export interface Fed {
  readonly key: string | null
  readonly text: string
}

/** A Scrapy Cluster as Kafka sees it: hears what is fed and answers what the test wants. */
export const startScrapyCluster = async (
  brokers: string,
  {
    prefix,
    answer = () => [],
  }: {
    readonly prefix: string
    /** Answers to send as soon as something was fed. */
    readonly answer?: (fed: JsonValue) => readonly JsonObject[]
  },
) => {
  const client = clientOf(brokers)
  const incoming = `${prefix}.incoming`
  const outbound = `${prefix}.outbound_firehose`
  const crawled = `${prefix}.crawled_firehose`
  const admin = client.admin()
  await admin.connect()
  await admin.createTopics({ topics: [incoming, outbound, crawled].map((topic) => ({ topic, numPartitions: 1 })) })
  await admin.disconnect()
  const producer = client.producer()
  await producer.connect()
  const consumer = client.consumer({ groupId: `kafka-monitor-${newId()}`, maxWaitTimeInMs: 50, sessionTimeout: 6_000 })
  await consumer.connect()
  await consumer.subscribe({ topics: [incoming], fromBeginning: true })
  const fed: Fed[] = []
  const looks = new Set<() => void>()
  const send = async (topic: string, text: string): Promise<void> => {
    await producer.send({ topic, messages: [{ value: text }] })
  }
  await consumer.run({
    eachMessage: async ({ message }) => {
      const text = String(message.value)
      for (const given of answer(JSON.parse(text) as JsonValue)) await send(outbound, JSON.stringify(given))
      fed.push({ key: message.key?.toString() ?? null, text })
      for (const look of looks) look()
    },
  })
  onTestFinished(async () => {
    await consumer.disconnect()
    await producer.disconnect()
  })
  return {
    fed,
    untilFed: (count: number): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (fed.length < count) return
          looks.delete(look)
          resolve()
        }
        looks.add(look)
        look()
      }),
    /** A message on the outbound topic, as it stands. */
    say: (text: string) => send(outbound, text),
    crawled: (text: string) => send(crawled, text),
  }
}
