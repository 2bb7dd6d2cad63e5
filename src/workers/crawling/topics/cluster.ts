import type { Logger } from 'pino'
import type { MessageTopics } from '../../../bus/message-topics.ts'
import { type CrawlingSettings, crawlingTopics } from '../../../commands/crawling/settings.ts'
import type { Executor } from '../../../commands/execute.ts'
import type { Submit } from '../../../commands/submit.ts'
import { Unacceptable } from '../../../lib/errors.ts'
import type { Blobs } from '../../../stores/blobs.ts'
import type { RecordedEvent } from '../../../stores/event-log.ts'
import type { Leadership } from '../../../stores/leadership.ts'
import { createOutbox, type OutboxOptions } from '../../../stores/outbox.ts'
import type { AnsweringPorts } from '../kinds/answering.ts'
import { answerOf, expiredOf } from './cluster-answers.ts'
import { createClusterFeed } from './cluster-feed.ts'
import { itemOf } from './cluster-items.ts'

export interface ClusterPorts extends AnsweringPorts {
  readonly topics: MessageTopics
  readonly executor: Executor
  readonly submit: Submit
  readonly blobs: Blobs
  readonly leadership: Leadership
  readonly keepShort: OutboxOptions['keepShort']
  readonly settings: CrawlingSettings
  readonly logger: Logger
}

export interface Cluster {
  /** Whether the brokers answer at present. */
  connected(): boolean
  /** Resolves when the brokers answer, or after a while where none does: it goes on trying. */
  start(): Promise<void>
  stop(): Promise<void>
}

const startWithinMs = 5_000
const lookEveryMs = 25

interface Outgoing {
  /** Topic of everybody, and the appid's own where these are on. */
  readonly topics: readonly string[]
  readonly text: string
  /** The message that is sent if the whole is too large for its topic. */
  readonly short?: string
}

/** In bytes: so much may be on its way at once. */
const mostOnTheWay = 8 * 1024 * 1024

/**
 * Crawls for programs that speak Kafka alone: takes what they feed (every node does), and sends items and answers out of the log (one
 * node does, at least once each, whoever fed). Source: crawling contract, section 8.
 */
export const createCluster = (ports: ClusterPorts): Cluster => {
  const { topics, log, blobs, leadership, keepShort, settings, clock, logger } = ports
  const names = crawlingTopics(settings)
  const stopping = new AbortController()
  const prepared = new Set<string>()

  /** The topic of one appid, made when it is first needed; none where it would have no valid name. */
  const ofAppid = async (name: (appid: string) => string, appid: unknown): Promise<readonly string[]> => {
    if (!settings.appidTopics || typeof appid !== 'string' || !/^[\w.-]+$/.test(appid)) return []
    const topic = name(appid)
    if (!prepared.has(topic)) await topics.prepare([{ topic }], stopping.signal)
    prepared.add(topic)
    return [topic]
  }

  const outgoingOf = async (event: RecordedEvent): Promise<Outgoing | undefined> => {
    if (event.type === 'PageFetched') {
      const item = await itemOf(blobs, event, { base64: settings.base64Body })
      if (item === undefined) {
        logger.error({ stream: event.stream }, 'an item is no longer in the store and cannot be sent')
        return undefined
      }
      return { topics: [names.crawled, ...(await ofAppid(names.crawledOf, event.data.appid))], ...item }
    }
    const answer = event.type === 'CrawlExpired' ? await expiredOf(ports, event) : await answerOf(ports, event)
    if (answer === undefined) return undefined
    return { topics: [names.outbound, ...(await ofAppid(names.outboundOf, answer.appid))], text: JSON.stringify(answer) }
  }

  const send = async (topic: string, { text, short }: Outgoing): Promise<void> => {
    try {
      await topics.send([{ topic, value: text }])
    } catch (error) {
      if (!(error instanceof Unacceptable)) throw error
      if (short !== undefined && short !== text) return send(topic, { topics: [], text: short })
      logger.error({ topic, bytes: Buffer.byteLength(text) }, 'a message is larger than its topic takes, and is not sent')
    }
  }

  const deliver = async (events: readonly RecordedEvent[]): Promise<void> => {
    let onTheWay: Promise<void>[] = []
    let bytes = 0
    const settled = async (): Promise<void> => {
      const results = await Promise.allSettled(onTheWay)
      onTheWay = []
      bytes = 0
      const failed = results.find((result) => result.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    }
    try {
      for (const event of events) {
        const outgoing = await outgoingOf(event)
        for (const topic of outgoing?.topics ?? []) {
          const sent = send(topic, outgoing as Outgoing)
          // It is looked at below; until then it may fail in silence.
          sent.catch(() => undefined)
          onTheWay.push(sent)
          bytes += outgoing?.text.length ?? 0
        }
        if (bytes >= mostOnTheWay) await settled()
      }
    } finally {
      await settled()
    }
  }

  const outbox = createOutbox({
    log,
    leadership,
    office: `crawling-${settings.topicPrefix}`,
    filter: { typePrefixes: ['PageFetched', 'OperationSucceeded', 'CrawlExpired'] },
    // Items that were crawled before this mode was chosen are not sent.
    beginning: 'head',
    deliver,
    keepShort,
    clock,
    logger,
  })

  const consume = async (): Promise<void> => {
    const { signal } = stopping
    const all = [{ topic: names.incoming, partitions: 1 }, { topic: names.outbound, partitions: 1 }, { topic: names.crawled }]
    await topics.prepare(all, signal)
    topics.consume({ topic: names.incoming, group: names.group, signal, handle: createClusterFeed(ports) })
  }

  const hearBrokers = async (): Promise<void> => {
    for (let leftMs = startWithinMs; leftMs > 0 && !topics.connected() && !stopping.signal.aborted; leftMs -= lookEveryMs)
      await clock.sleep(lookEveryMs, stopping.signal).catch(() => undefined)
  }

  return {
    connected: () => topics.connected(),
    start: async () => {
      // Start the outbox first, so that items of every later feed are sent.
      await outbox.start()
      consume().catch((error: unknown) => {
        if (!stopping.signal.aborted) logger.error({ err: error }, 'no messages are taken from Kafka')
      })
      await hearBrokers()
    },
    stop: async () => {
      stopping.abort()
      await outbox.stop()
      await topics.close()
    },
  }
}
