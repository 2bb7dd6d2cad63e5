import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { Bridge } from '../workers/crawling/bridge.ts'
import type { ClusterPorts } from '../workers/crawling/cluster.ts'

export interface CrawlingTopics {
  /** Stands behind the face in mode `bridge`. */
  readonly bridge?: Bridge
  start(): Promise<void>
  stop(): Promise<void>
}

/** What links crawling with the topics of a Scrapy Cluster; undefined where it is local. */
export const openCrawlingTopics = async (
  { crawling: settings, crawlingKafka }: Config,
  ports: Omit<ClusterPorts, 'topics' | 'settings'> & { readonly logger: Logger },
): Promise<CrawlingTopics | undefined> => {
  if (crawlingKafka === undefined || settings.mode === 'local') return undefined
  const { createKafka } = await import('../bus/kafka/client.ts')
  const { createKafkaMessageTopics } = await import('../bus/kafka/message-topics.ts')
  const { createBridge } = await import('../workers/crawling/bridge.ts')
  const { createCluster } = await import('../workers/crawling/cluster.ts')
  const { clock, logger } = ports
  const ending = new AbortController()
  const kafka = createKafka({ settings: crawlingKafka, logger, signal: ending.signal })
  const topics = createKafkaMessageTopics({ kafka, settings: crawlingKafka, clock, logger })
  const bridge = settings.mode === 'bridge' ? createBridge({ ...ports, topics, settings }) : undefined
  const parts = bridge ?? createCluster({ ...ports, topics, settings })
  return {
    ...(bridge === undefined ? {} : { bridge }),
    start: () => parts.start(),
    stop: async () => {
      const stopped = parts.stop()
      // What waits for brokers that are away would wait on.
      const cancel = clock.after(stopWithinMs, () => ending.abort())
      await stopped.finally(cancel)
      ending.abort()
    },
  }
}

const stopWithinMs = 3_000
