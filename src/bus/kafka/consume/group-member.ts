import type { Batch, Consumer, Kafka } from 'kafkajs'
import type { Logger } from 'pino'
import type { Clock } from '../../../lib/clock.ts'
import { messageOf } from '../../../lib/errors.ts'
import { within } from '../../../lib/time-limit.ts'
import type { KafkaSettings } from '../settings.ts'
import { createOffsetCommits } from './offset-commits.ts'

/** One life of one consumer in a group. */
export interface Member {
  /** Resolves to why it cannot go on; never where it was left. */
  readonly ended: Promise<string>
  /** Leaves the group, so that its partitions go to others at once. The wait is bounded; the rest continues in the background. */
  leave(): Promise<void>
}

/** The broker answers as soon as there is something; this only says how long an idle member takes to notice that it should leave. */
const idleFetchMs = 200
/** Members hear of a rebalance at their next heartbeat. */
const longestHeartbeatMs = 500
/** All members have to join again within this long, or go without; ours never block that long. */
const rebalanceMs = 10_000
const partitionsAtATime = 16
const leaveMs = 1_500
const lastCommitMs = 500
/** A member that says nothing for longer than any rebalance takes, while the brokers answer others, is taken for dead. */
const silenceMs = (sessionTimeoutMs: number): number => rebalanceMs + 2 * sessionTimeoutMs
const listenMs = 1_000

/**
 * Joins the group and hands every batch to `take`, whose messages are committed a moment after it returns. kafkajs is not left to restart
 * itself: whatever ends a life, even silence, ends this member, and its owner makes another.
 */
export const joinGroup = ({
  kafka,
  settings,
  topic,
  groupId,
  clock,
  logger,
  take,
  isConnected,
}: {
  readonly kafka: Kafka
  readonly settings: KafkaSettings
  readonly topic: string
  readonly groupId: string
  readonly clock: Clock
  readonly logger: Logger
  /** False: no message of the batch was taken; the next owner of the partition gets it again. */
  readonly take: (batch: Batch) => Promise<boolean>
  /** Whether the brokers answer. */
  readonly isConnected: () => boolean
}): Member => {
  const { sessionTimeoutMs } = settings
  const consumer = kafka.consumer({
    groupId,
    sessionTimeout: sessionTimeoutMs,
    rebalanceTimeout: Math.max(rebalanceMs, sessionTimeoutMs),
    heartbeatInterval: Math.min(longestHeartbeatMs, Math.floor(sessionTimeoutMs / 4)),
    maxWaitTimeInMs: idleFetchMs,
    allowAutoTopicCreation: false,
    retry: { restartOnFailure: async () => false },
  })
  const { promise: ended, resolve: end } = Promise.withResolvers<string>()
  const silence = watchSilence(consumer, { clock, isConnected, longestMs: silenceMs(sessionTimeoutMs), onSilence: end })
  const commits = createOffsetCommits({ consumer, topic, clock, logger })
  consumer.on(consumer.events.CRASH, ({ payload }) => end(messageOf(payload.error)))
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    commits.forget()
    const partitions = payload.memberAssignment[topic]?.length ?? 0
    logger.debug({ groupId, partitions, tookMs: payload.duration }, 'joined the group')
  })

  const start = async (): Promise<void> => {
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: partitionsAtATime,
      eachBatch: async ({ batch, resolveOffset }) => {
        if (!(await take(batch))) return
        resolveOffset(batch.lastOffset())
        commits.taken(batch.partition, batch.lastOffset())
      },
    })
  }
  const started = start().catch((error: unknown) => end(messageOf(error)))

  /** Unreachable brokers do not delay the stop: messages that are not committed are delivered again. */
  const committed = (): Promise<void> =>
    within({ clock, ms: lastCommitMs, otherwise: 'the brokers did not take it in time' }, commits.close()).catch(() => undefined)

  return {
    ended,
    leave: async () => {
      silence.stop()
      // A consumer that is told to go while it joins would join all the same.
      const left = started.then(committed).then(() => consumer.disconnect())
      await within({ clock, ms: leaveMs, otherwise: 'the group was not left in time' }, left).catch((error: unknown) =>
        logger.debug({ groupId, reason: messageOf(error) }, 'the group was not left in good order'),
      )
    },
  }
}

const watchSilence = (
  consumer: Consumer,
  {
    clock,
    isConnected,
    longestMs,
    onSilence,
  }: {
    readonly clock: Clock
    readonly isConnected: () => boolean
    readonly longestMs: number
    readonly onSilence: (reason: string) => void
  },
): { stop(): void } => {
  let silentMs = 0
  let cancel: () => void = () => undefined
  const listen = (): void => {
    silentMs = isConnected() ? silentMs + listenMs : 0
    if (silentMs > longestMs) onSilence(`no heartbeat for ${silentMs} ms`)
    else cancel = clock.after(listenMs, listen)
  }
  cancel = clock.after(listenMs, listen)
  const heard = (): void => {
    silentMs = 0
  }
  for (const event of [consumer.events.GROUP_JOIN, consumer.events.FETCH, consumer.events.HEARTBEAT]) consumer.on(event, heard)
  return { stop: () => cancel() }
}
