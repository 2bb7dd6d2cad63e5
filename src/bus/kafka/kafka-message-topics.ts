import type { Consumer, Kafka, KafkaMessage } from 'kafkajs'
import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { messageOf, Unavailable } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { Handling, MessageTopics, TopicMessage } from '../message-topics.ts'
import { startPulse } from './broker-health.ts'
import { impatient } from './client.ts'
import { ensureTopics, topicPlan } from './create-topics.ts'
import { createGatheringProducer } from './produce/batching-producer.ts'
import type { KafkaSettings } from './settings.ts'

/** Most bytes fetched at once, and what topics made here take of one message. Source: crawling contract, section 8. */
const mostBytes = 10 * 1024 * 1024
const firstPauseMs = 500
const longestPauseMs = 10_000
const lookEveryMs = 1_000
const answerWithinMs = 3_000
const maxWaitMs = 250

/** Reconnecting of a consumer: 0.5 s, doubled up to 10 s, for ever. Source: crawling contract, section 8. */
const reconnecting = {
  retries: Number.MAX_SAFE_INTEGER,
  initialRetryTime: firstPauseMs,
  maxRetryTime: longestPauseMs,
  multiplier: 2,
}

/** The next offset of each partition of a topic that is listened to. */
type Places = Map<number, string>

export const createKafkaMessageTopics = ({
  kafka,
  settings,
  clock,
  logger,
}: {
  readonly kafka: Kafka
  readonly settings: KafkaSettings
  readonly clock: Clock
  readonly logger: Logger
}): MessageTopics => {
  const closing = new AbortController()
  const producer = createGatheringProducer({ kafka, bound: 'tries', clock, logger })
  const running = new Set<Promise<void>>()

  const keep = (run: Promise<void>): void => {
    running.add(run)
    void run.finally(() => running.delete(run))
  }

  /** Calls again and again, with pauses that double, until `signal` aborts or `run` answers true. */
  const insist = async (what: string, signal: AbortSignal, run: () => Promise<boolean>): Promise<void> => {
    for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      try {
        if (await run()) return
      } catch (error) {
        if (!signal.aborted) logger.warn({ reason: messageOf(error), pauseMs }, `${what} failed; trying again`)
      }
      await clock.sleep(pauseMs, signal).catch(() => undefined)
    }
  }

  const pulse = startPulse({
    kafka,
    settings,
    begins: 'unknown',
    everyMs: lookEveryMs,
    answerMs: answerWithinMs,
    backOff: { firstMs: firstPauseMs, longestMs: longestPauseMs },
    clock,
    logger,
  })

  /** One life of a consumer: ends when it crashed for good or `signal` aborts. */
  const live = async ({ topic, signal, ...handling }: Handling, groupId: string, places?: Places): Promise<boolean> => {
    const consumer = kafka.consumer({
      groupId,
      sessionTimeout: settings.sessionTimeoutMs,
      heartbeatInterval: Math.floor(settings.sessionTimeoutMs / 4),
      maxWaitTimeInMs: maxWaitMs,
      maxBytes: mostBytes,
      maxBytesPerPartition: mostBytes,
      allowAutoTopicCreation: false,
      retry: reconnecting,
    })
    const ended = Promise.withResolvers<void>()
    const end = (): void => ended.resolve()
    signal.addEventListener('abort', end, { once: true })
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) end()
    })
    // Who listens knows its places by itself; they count again after every rejoin.
    if (places !== undefined)
      consumer.on(consumer.events.GROUP_JOIN, () => {
        for (const [partition, offset] of places) consumer.seek({ topic, partition, offset })
      })
    try {
      await consumer.connect()
      await consumer.subscribe({ topics: [topic], fromBeginning: true })
      await consumer.run(runOf({ ...handling, signal, places }))
      await ended.promise
      return signal.aborted
    } finally {
      signal.removeEventListener('abort', end)
      await consumer.disconnect().catch(() => undefined)
    }
  }

  const runOf = ({
    handle,
    signal,
    atOnce = 1,
    places,
  }: Omit<Handling, 'topic'> & { readonly places: Places | undefined }): Parameters<Consumer['run']>[0] => ({
    autoCommit: places === undefined,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
      const { topic, partition, messages } = batch
      for (let from = 0; from < messages.length; from += atOnce) {
        if (!isRunning() || isStale() || signal.aborted) return
        const some = messages.slice(from, from + atOnce)
        const taken = some.map(({ offset, timestamp, value }) =>
          handled({ topic, partition, offset, timestamp, value }, { handle, signal, heartbeat }),
        )
        if ((await Promise.all(taken)).includes(false)) return
        const { offset } = some.at(-1) as KafkaMessage
        places?.set(partition, String(BigInt(offset) + 1n))
        resolveOffset(offset)
        await heartbeat()
      }
    },
  })

  /** False where `signal` aborted before the message was done with. Rejects where the partition is another's meanwhile. */
  const handled = async (
    message: TopicMessage,
    { handle, signal, heartbeat }: Pick<Handling, 'handle' | 'signal'> & { readonly heartbeat: () => Promise<void> },
  ): Promise<boolean> => {
    for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      try {
        await handle(message)
        return true
      } catch (error) {
        const { topic, partition, offset } = message
        logger.warn({ topic, partition, offset, reason: messageOf(error) }, 'a message could not be handled; trying again')
      }
      for (let leftMs = pauseMs; leftMs > 0 && !signal.aborted; leftMs -= lookEveryMs) {
        await clock.sleep(Math.min(leftMs, lookEveryMs), signal).catch(() => undefined)
        await heartbeat()
      }
    }
    return false
  }

  const either = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, closing.signal])

  const placesOf = async (topic: string): Promise<Places> => {
    const admin = kafka.admin({ retry: impatient })
    try {
      await admin.connect()
      return new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, high]))
    } finally {
      await admin.disconnect().catch(() => undefined)
    }
  }

  const run = (handling: Handling, group: string, places?: Places): void =>
    keep(insist(`reading ${handling.topic}`, handling.signal, () => live(handling, group, places)))

  return {
    connected: pulse.isConnected,
    prepare: async (topics, given) => {
      const signal = either(given)
      await insist('making topics', signal, async () => {
        const plans = topics.map((topic) =>
          topicPlan(settings, { retentionMs: settings.retentionMs, maxMessageBytes: mostBytes, ...topic }),
        )
        await ensureTopics({ kafka, settings, topics: plans, areOurs: false, clock, logger })
        return true
      })
      signal.throwIfAborted()
    },
    send: async (values) => {
      if (!pulse.isConnected()) throw new Unavailable('no Kafka broker answers')
      await producer.send(values.map((value) => ({ ...value, key: null })))
    },
    listen: async (given) => {
      const handling = { ...given, signal: either(given.signal) }
      let places: Places | undefined
      await insist(`looking for the end of ${handling.topic}`, handling.signal, async () => {
        places = await placesOf(handling.topic)
        return true
      })
      handling.signal.throwIfAborted()
      run(handling, `${settings.clientId}-${newId()}`, places)
    },
    consume: ({ group, ...given }) => run({ ...given, signal: either(given.signal) }, group),
    close: async () => {
      closing.abort()
      pulse.stop()
      await Promise.all(running)
      await producer.close()
    },
  }
}
