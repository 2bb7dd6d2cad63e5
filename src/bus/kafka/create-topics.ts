import type { Admin, ITopicConfig, Kafka } from 'kafkajs'
import type { Logger } from 'pino'
import { type Clock, dayMs } from '../../lib/clock.ts'
import { messageOf, Unavailable } from '../../lib/errors.ts'
import { impatient } from './client.ts'
import type { KafkaSettings } from './settings.ts'
import { whatIsWrong } from './startup-check.ts'

const shortestSegmentMs = 60_000
const longestSegmentMs = 7 * dayMs

export const jobsTopic = ({ topicPrefix }: KafkaSettings): string => `${topicPrefix}.jobs`
export const deadLettersTopic = ({ topicPrefix }: KafkaSettings): string => `${topicPrefix}.dead-letters`

/** A topic that another node made a moment ago is there, but cannot be asked about yet; kafkajs does not wait for that. */
const unsettled: readonly unknown[] = ['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE', 'NOT_CONTROLLER']
const settleTries = 40
const settleMs = 250

/** Kafka deletes whole segments only, and never the active one: a segment must be shorter than the retention. */
const segmentMs = (retentionMs: number): number =>
  retentionMs < 0 ? longestSegmentMs : Math.min(Math.max(Math.floor(retentionMs / 2), shortestSegmentMs), longestSegmentMs)

/** A topic with our partitions and replicas, whose records are kept for `retentionMs` (-1: for ever) and up to half as long again. */
export const topicPlan = (
  settings: KafkaSettings,
  {
    topic,
    partitions = settings.partitions,
    retentionMs,
    compacted = false,
    maxMessageBytes,
  }: {
    readonly topic: string
    readonly partitions?: number
    readonly retentionMs: number
    readonly compacted?: boolean
    /** Default: what the brokers say. */
    readonly maxMessageBytes?: number
  },
): ITopicConfig => ({
  topic,
  numPartitions: partitions,
  replicationFactor: settings.replicationFactor,
  configEntries: [
    { name: 'retention.ms', value: String(retentionMs) },
    { name: 'segment.ms', value: String(segmentMs(retentionMs)) },
    { name: 'cleanup.policy', value: compacted ? 'compact,delete' : 'delete' },
    ...(maxMessageBytes === undefined ? [] : [{ name: 'max.message.bytes', value: String(maxMessageBytes) }]),
  ],
})

/** The topics that the bus needs. */
export const busTopics = (settings: KafkaSettings): readonly ITopicConfig[] => [
  topicPlan(settings, { topic: jobsTopic(settings), retentionMs: settings.jobsRetentionMs }),
  topicPlan(settings, {
    topic: deadLettersTopic(settings),
    retentionMs: settings.retentionMs,
    compacted: true,
    // A dead letter is as large as its message plus the reason.
    maxMessageBytes: 2 * 1_048_588,
  }),
]

export interface EnsureOptions {
  readonly kafka: Kafka
  readonly settings: KafkaSettings
  readonly topics: readonly ITopicConfig[]
  /** Of topics of other programs it does not matter how many partitions they have. Default true. */
  readonly areOurs?: boolean
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Creates the topics that are not there yet; others are taken as they are, with a warning where the partitions of ours are not as
 * planned. Several nodes may do it at the same time. Rejects soon, with `Unavailable` and a sentence that says what is
 * wrong.
 */
export const ensureTopics = async (options: EnsureOptions): Promise<void> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ensureOnce(options)
    } catch (error) {
      const { type } = reasonOf(error) as { readonly type?: unknown }
      if (attempt >= settleTries || !unsettled.includes(type))
        throw new Unavailable(told(error, options.settings), { cause: error })
      await options.clock.sleep(settleMs)
    }
  }
}

const ensureOnce = async ({ kafka, topics, areOurs = true, logger }: EnsureOptions): Promise<void> => {
  const admin = kafka.admin({ retry: impatient })
  await admin.connect()
  try {
    const existing = new Set(await admin.listTopics())
    for (const plan of topics) if (!existing.has(plan.topic)) await create(admin, plan, logger)
    const { topics: found } = await admin.fetchTopicMetadata({ topics: topics.map(({ topic }) => topic) })
    for (const { name, partitions } of areOurs ? found : []) {
      const planned = topics.find(({ topic }) => topic === name)?.numPartitions
      if (partitions.length !== planned)
        logger.warn(
          { topic: name, partitions: partitions.length, planned },
          'the number of partitions of the topic differs from KAFKA_PARTITIONS; it stays as it is',
        )
    }
  } finally {
    await admin.disconnect()
  }
}

const create = async (admin: Admin, plan: ITopicConfig, logger: Logger): Promise<void> => {
  try {
    if (await admin.createTopics({ topics: [plan] })) logger.info({ topic: plan.topic }, 'topic created')
  } catch (error) {
    throw new NotCreated(`the topic ${plan.topic} does not exist and cannot be created`, { cause: reasonOf(error) })
  }
}

class NotCreated extends Error {}

const told = (error: unknown, settings: KafkaSettings): string => {
  const { sentence } = whatIsWrong(error, settings)
  return error instanceof NotCreated ? `${error.message}: ${sentence}` : sentence
}

/** kafkajs hides the broker's refusal of a topic in a list. */
const reasonOf = (error: unknown): unknown => {
  const [first] = (error as { readonly errors?: readonly unknown[] }).errors ?? []
  const cause = (error as { readonly cause?: unknown }).cause
  return first ?? (cause === undefined ? error : reasonOf(cause)) ?? messageOf(error)
}
