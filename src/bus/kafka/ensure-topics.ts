import type { Kafka } from 'kafkajs'
import { impatient } from './client.ts'
import type { KafkaSettings } from './settings.ts'

/** Makes topics that are missing; those that exist stay as they are. Rejects where no broker answers or it does not allow it. */
export const ensureTopics = async ({
  kafka,
  settings,
  topics,
  maxMessageBytes,
}: {
  readonly kafka: Kafka
  readonly settings: Pick<KafkaSettings, 'partitions' | 'replicationFactor' | 'retentionMs'>
  readonly topics: readonly string[]
  readonly maxMessageBytes: number
}): Promise<void> => {
  const admin = kafka.admin({ retry: impatient })
  await admin.connect()
  try {
    const known = await admin.listTopics()
    const missing = topics.filter((topic) => !known.includes(topic))
    if (missing.length === 0) return
    await admin.createTopics({
      topics: missing.map((topic) => ({
        topic,
        numPartitions: settings.partitions,
        replicationFactor: settings.replicationFactor,
        configEntries: [
          { name: 'max.message.bytes', value: String(maxMessageBytes) },
          { name: 'retention.ms', value: String(settings.retentionMs) },
        ],
      })),
    })
  } finally {
    await admin.disconnect()
  }
}
