import type { Logger } from 'pino'
import type { MessageTopics, TopicMessage } from '../../../bus/message-topics.ts'
import { answer } from '../../../commands/crawling/answer.ts'
import type { Bridge, BridgeAnswer } from '../../../commands/crawling/bridge.ts'
import { crawl } from '../../../commands/crawling/crawl.ts'
import { forward } from '../../../commands/crawling/forward.ts'
import { type CrawlingSettings, crawlingTopics } from '../../../commands/crawling/settings.ts'
import type { CommandContext, Executor } from '../../../commands/execute.ts'
import { crawlKey } from '../../../events/crawling/crawl-key.ts'
import { uuidOf } from '../../../events/crawling/feed-uuid.ts'
import type { Clock } from '../../../lib/clock.ts'
import { messageOf, Unacceptable, Unavailable } from '../../../lib/errors.ts'
import { derivedId } from '../../../lib/ids.ts'
import type { JsonObject } from '../../../lib/json.ts'
import type { Blobs } from '../../../stores/blobs.ts'
import { createBridgeItems } from './bridge-items.ts'
import { messageId, objectOf } from './topic-messages.ts'

/** Source: crawling contract, section 13. */
const acknowledgedWithinMs = 10_000
const startWithinMs = 10_000
const answersAtOnce = 64
const actor = { principal: 'scrapy-cluster', face: 'crawling', address: null }

interface Waiter {
  readonly take: (answer: BridgeAnswer) => void
  isServed: boolean
}

export const createBridge = ({
  topics,
  executor,
  blobs,
  settings,
  clock,
  logger,
}: {
  readonly topics: MessageTopics
  readonly executor: Executor
  readonly blobs: Blobs
  readonly settings: CrawlingSettings
  readonly clock: Clock
  readonly logger: Logger
}): Bridge => {
  const { incoming, outbound, crawled, itemsGroup } = crawlingTopics(settings)
  const waiters = new Map<string, Set<Waiter>>()
  const handing = new Set<string>()
  const hearing = new Map<string, Promise<void>>()
  const stopping = new AbortController()
  const keepItem = createBridgeItems({ executor, blobs, logger })
  let isListening = false

  /** The oldest waiting request with this uuid that has no answer yet. */
  const nextWaiter = (uuid: string): Waiter | undefined => {
    for (const waiter of waiters.get(uuid) ?? []) if (!waiter.isServed) return waiter
    return undefined
  }

  const record = async (id: string, uuid: string, given: JsonObject): Promise<boolean> => {
    const context = { commandId: derivedId('answer', id), actor, correlationId: uuid }
    try {
      await executor.execute(answer, { type: 'ReceiveAnswer', operation: id, uuid, answer: given }, context)
      return true
    } catch (error) {
      if (!(error instanceof Unacceptable)) throw error
      logger.error(
        { uuid, reason: messageOf(error) },
        'an answer is too large to be stored: only the waiting request receives it',
      )
      return false
    }
  }

  const expired = async (message: TopicMessage, { spiderid, appid, crawlid, server_time }: JsonObject): Promise<void> => {
    if (typeof spiderid !== 'string' || typeof appid !== 'string' || typeof crawlid !== 'string') return
    const name = { spiderid, appid, crawlid }
    const expires = Math.floor(Number(server_time) || Number(message.timestamp) / 1000)
    const context = { commandId: messageId(message), actor, correlationId: crawlKey(name) }
    await executor.execute(crawl, { type: 'ExpireCrawl', name, expires }, context)
  }

  /** Every node receives every answer; it is recorded once. A failure with one answer must not delay later ones. */
  const hear = async (message: TopicMessage): Promise<void> => {
    const given = objectOf(message)
    if (given === undefined) {
      const { topic, partition, offset } = message
      logger.warn({ topic, partition, offset }, 'a message that is not a JSON object is skipped')
      return
    }
    if (given.uuid === undefined || given.uuid === null) return given.action === 'expired' ? expired(message, given) : undefined
    const uuid = uuidOf(given.uuid)
    // Of several answers of one uuid the last one counts.
    const before = hearing.get(uuid)
    const heard = (before ?? Promise.resolve()).catch(() => undefined).then(() => hearAnswer(messageId(message), uuid, given))
    hearing.set(uuid, heard)
    try {
      await heard
    } finally {
      if (hearing.get(uuid) === heard) hearing.delete(uuid)
    }
  }

  const hearAnswer = async (id: string, uuid: string, given: JsonObject): Promise<void> => {
    const waiter = nextWaiter(uuid)
    if (waiter === undefined) {
      await record(id, uuid, given)
      return
    }
    handing.add(id)
    let isTaken = false
    try {
      const isRecorded = await record(id, uuid, given)
      // Time may have run out meanwhile: then it is there for a poll.
      if (waiter.isServed || !waiters.get(uuid)?.has(waiter)) return
      waiter.isServed = true
      isTaken = true
      waiter.take({ answer: given, id: isRecorded ? id : null })
    } finally {
      if (!isTaken) handing.delete(id)
    }
  }

  const listen = async (): Promise<void> => {
    const { signal } = stopping
    const all = [
      { topic: incoming, partitions: 1 },
      { topic: outbound, partitions: 1 },
    ]
    await topics.prepare(settings.bridgeItems ? [...all, { topic: crawled }] : all, signal)
    await topics.listen({ topic: outbound, signal, handle: hear, atOnce: answersAtOnce })
    isListening = true
    // The nodes share the topic of items: each item is recorded by one of them.
    if (settings.bridgeItems) topics.consume({ topic: crawled, group: itemsGroup, signal, handle: keepItem })
  }

  const bounded = <Result>(ms: number, work: Promise<Result>, late: () => Result): Promise<Result> => {
    const { promise, resolve, reject } = Promise.withResolvers<Result>()
    const cancel = clock.after(ms, () => {
      try {
        resolve(late())
      } catch (error) {
        reject(error)
      }
    })
    return Promise.race([work, promise]).finally(cancel)
  }

  const confirm = (command: Parameters<typeof forward.decide>[0], context: CommandContext): Promise<unknown> =>
    executor
      .execute(forward, command, { ...context, commandId: derivedId(command.type, context.commandId) })
      .catch((error: unknown) => logger.warn({ reason: messageOf(error) }, 'the result of a feed could not be recorded'))

  return {
    connected: () => isListening && topics.connected(),
    start: () => {
      const listening = listen().catch((error: unknown) => {
        if (!stopping.signal.aborted) logger.error({ err: error }, 'answers of the Scrapy Cluster are not received')
      })
      return bounded(startWithinMs, listening, () => undefined)
    },
    stop: async () => {
      stopping.abort()
      await topics.close()
    },
    ask: (given) => {
      const uuid = uuidOf(given)
      const found = Promise.withResolvers<BridgeAnswer | undefined>()
      let id: string | null = null
      const waiter: Waiter = {
        isServed: false,
        take: (taken) => {
          id = taken.id
          found.resolve(taken)
        },
      }
      const all = waiters.get(uuid) ?? new Set()
      waiters.set(uuid, all.add(waiter))
      return {
        answer: async ({ timeoutMs, signal }) => {
          const end = (): void => found.resolve(undefined)
          signal.addEventListener('abort', end, { once: true })
          const cancel = clock.after(timeoutMs, end)
          return found.promise.finally(() => {
            cancel()
            signal.removeEventListener('abort', end)
          })
        },
        leave: () => {
          all.delete(waiter)
          if (all.size === 0 && waiters.get(uuid) === all) waiters.delete(uuid)
          if (id !== null) handing.delete(id)
        },
      }
    },
    forward: async ({ payload, bytes, class: found, awaitsAnswer }, context) => {
      const id = context.commandId
      if (!isListening || !topics.connected()) throw new Unavailable('no Kafka broker answers')
      const received = await executor.execute(forward, { type: 'ReceiveFeed', id, payload, class: found, awaitsAnswer }, context)
      if (received.state === 'forwarded') return
      try {
        await bounded(acknowledgedWithinMs, topics.send([{ topic: incoming, value: bytes }]), () => {
          throw new Unavailable('the brokers did not confirm the feed in time')
        })
      } catch (error) {
        void confirm({ type: 'GiveUpForward', id, topic: incoming, reason: messageOf(error) }, context)
        throw error
      }
      await confirm({ type: 'ConfirmForward', id, topic: incoming }, context)
    },
    isAwaited: (id) => handing.has(id),
  }
}
