import type { Kafka } from 'kafkajs'
import type { Clock } from '../../../lib/clock.ts'
import { messageOf, Unavailable } from '../../../lib/errors.ts'
import { newId } from '../../../lib/ids.ts'
import { within } from '../../../lib/time-limit.ts'
import type { LetterRecord } from '../jobs/dead-letters.ts'

const idleFetchMs = 100
const readWithinMs = 60_000

/**
 * Every record that a topic holds at this moment, in the order of each partition; for topics that fit into memory. Rejects with an error of
 * kafkajs, with `Unavailable` after a minute.
 */
export const readTopic = async ({
  kafka,
  topic,
  groupPrefix,
  clock,
}: {
  readonly kafka: Kafka
  readonly topic: string
  /** A group of this beginning exists for as long as the reading takes. */
  readonly groupPrefix: string
  readonly clock: Clock
}): Promise<readonly LetterRecord[]> => {
  const ends = await endsOf(kafka, topic)
  if (ends.size === 0) return []
  const records: LetterRecord[] = []
  const consumer = kafka.consumer({
    groupId: `${groupPrefix}.${newId()}`,
    maxWaitTimeInMs: idleFetchMs,
    allowAutoTopicCreation: false,
    retry: { restartOnFailure: async () => false },
  })
  const done = Promise.withResolvers<void>()
  consumer.on(consumer.events.CRASH, ({ payload }) => done.reject(payload.error))
  const read = async (): Promise<void> => {
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        const { partition, messages } = batch
        const end = ends.get(partition)
        if (end === undefined) return
        for (const { offset, key, value, headers = {} } of messages)
          if (BigInt(offset) < end) records.push({ partition, offset, key, value, headers })
        if (BigInt(batch.lastOffset()) + 1n >= end) ends.delete(partition)
        if (ends.size === 0) done.resolve()
      },
    })
    await done.promise
  }
  try {
    await within({ clock, ms: readWithinMs, otherwise: `the topic ${topic} was not read within ${readWithinMs} ms` }, read())
  } finally {
    consumer.disconnect().catch(() => undefined)
  }
  return records
}

/** Where each partition ends that holds anything. */
const endsOf = async (kafka: Kafka, topic: string): Promise<Map<number, bigint>> => {
  const admin = kafka.admin()
  await admin.connect()
  try {
    const offsets = await admin.fetchTopicOffsets(topic)
    return new Map(
      offsets.filter(({ low, high }) => BigInt(high) > BigInt(low)).map(({ partition, high }) => [partition, BigInt(high)]),
    )
  } catch (error) {
    throw new Unavailable(`the topic ${topic} cannot be read: ${messageOf(error)}`, { cause: error })
  } finally {
    await admin.disconnect()
  }
}
