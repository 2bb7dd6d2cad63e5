import { type IHeaders, Kafka, logLevel } from 'kafkajs'
import '../../../src/bus/kafka/idle-request-queue.ts'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { newId } from '../../../src/lib/ids.ts'

export interface Read {
  readonly topic: string
  readonly partition: number
  readonly key: string | null
  readonly value: string
  readonly headers: Readonly<Record<string, string>>
}

export const clientOf = (brokers: string): Kafka =>
  new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING, retry: { retries: 60, initialRetryTime: 100, maxRetryTime: 500 } })

/** A foreign program that reads topics from their beginning: everything that it has read, and a wait for something in it. */
export const readTopics = async (brokers: string, topics: readonly string[]) => {
  const client = clientOf(brokers)
  await untilThere(client, topics)
  const consumer = client.consumer({ groupId: `reader-${newId()}`, maxWaitTimeInMs: 100, sessionTimeout: 6_000 })
  const read: Read[] = []
  const ids = new Set<string>()
  const looks = new Set<() => void>()
  await consumer.connect()
  onTestFinished(() => consumer.disconnect())
  await consumer.subscribe({ topics: [...topics], fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ topic, partition, message }) => {
      const { key, value, headers = {} } = message
      read.push({ topic, partition, key: key?.toString() ?? null, value: String(value), headers: textsOf(headers) })
      ids.add(String(headers.ce_id ?? ''))
      for (const look of looks) look()
    },
  })
  return {
    read,
    /** How many events: the same one read twice counts once. */
    distinct: (): number => ids.size,
    until: (isEnough: (read: readonly Read[]) => boolean): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!isEnough(read)) return
          looks.delete(look)
          resolve()
        }
        looks.add(look)
        look()
      }),
  }
}

/** Nobody subscribes to a topic that is still to be made. */
const untilThere = async (client: Kafka, topics: readonly string[]): Promise<void> => {
  const admin = client.admin()
  await admin.connect()
  try {
    for (;;) {
      const known = await admin.listTopics()
      if (topics.every((topic) => known.includes(topic))) return
      await systemClock.sleep(50)
    }
  } finally {
    await admin.disconnect()
  }
}

const textsOf = (headers: IHeaders): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
