import { type KafkaSettings, kafkaSettings } from '../../bus/kafka/settings.ts'
import { answer } from '../../commands/crawling/answer.ts'
import type { Bridge } from '../../commands/crawling/bridge.ts'
import { crawl } from '../../commands/crawling/crawl.ts'
import { domainRules } from '../../commands/crawling/domain-rules.ts'
import { feed } from '../../commands/crawling/feed.ts'
import { forward } from '../../commands/crawling/forward.ts'
import { page } from '../../commands/crawling/page.ts'
import { receivedItem } from '../../commands/crawling/received-item.ts'
import { type CrawlingSettings, crawlingSettings, crawlingVariables } from '../../commands/crawling/settings.ts'
import type { Environment } from '../../lib/environment.ts'
import { messageOf } from '../../lib/errors.ts'
import { answers } from '../../projections/crawling/answers.ts'
import { crawlingCounters } from '../../projections/crawling/counters.ts'
import { crawlingItems } from '../../projections/crawling/items.ts'
import { crawlingPages, crawlKind } from '../../projections/crawling/pages.ts'
import { rejections } from '../../projections/crawling/rejections.ts'
import type { Cluster } from '../../workers/crawling/topics/cluster.ts'
import { faceModule, type ServerNode, type Service } from '../face-module.ts'

export interface CrawlingFaceSettings extends CrawlingSettings {
  /** Brokers of the crawling topics, with the other settings of the bus. Undefined in mode `local`. */
  readonly brokers: KafkaSettings | undefined
}

const pages = { reads: ['crawling-pages'] }

/** Scrapy Cluster's Rest service. */
export const crawling = faceModule<CrawlingFaceSettings>({
  name: 'crawling',
  variables: crawlingVariables,
  settings: (environment, { isLocal }) => {
    const settings = crawlingSettings(environment)
    // A server that other machines can reach does not fetch private pages for them, unless told to.
    const allowPrivate = environment.CRAWLING_ALLOW_PRIVATE === undefined ? isLocal : settings.allowPrivate
    return { ...settings, allowPrivate, brokers: brokersOf(environment, settings.mode) }
  },
  deciders: [feed, answer, crawl, domainRules, page, forward, receivedItem],
  projections: [crawlingPages, crawlingItems, crawlingCounters, answers, rejections],
  kinds: {
    [crawlKind]: pages,
    'crawling.info': pages,
    'crawling.stop': pages,
    'crawling.stats': { reads: [...pages.reads, 'crawling-counters'] },
    'crawling.zookeeper': pages,
  },
  works: async ({ identity, ...node }, signal) => {
    // In front of a Scrapy Cluster nothing is crawled here.
    if (node.settings.mode === 'bridge') return []
    const { crawlingWorks } = await import('../../workers/crawling/crawling-kinds.ts')
    return crawlingWorks({ ...node, node: identity, signal })
  },
  holds: {
    reads: pages.reads,
    load: async (settings) => {
      const { createCrawlHolds } = await import('../../projections/crawling/why-a-crawl-waits.ts')
      return ({ views, now }) => ({
        [crawlKind]: createCrawlHolds({ views: views('crawling-pages'), settings, now }).ofOperation,
      })
    },
  },
  serve: async (node) => {
    const { ports, settings, identity } = node
    const { createCrawlingFace } = await import('../../http/crawling/face.ts')
    const { createHeartbeat } = await import('../../workers/crawling/topics/heartbeat.ts')
    const topics = await topicsOf(node)
    return {
      face: createCrawlingFace({ ports, settings, node: identity, bridge: topics?.bridge, cluster: topics?.cluster }),
      ...(topics?.cluster === undefined ? {} : { checks: { 'crawling-kafka': brokersAnswer(topics.cluster, settings) } }),
      services: [
        ...(topics === undefined ? [] : [topics.service]),
        { name: 'heartbeat', where: 'each', ...createHeartbeat({ ...node, node: identity }) },
      ],
    }
  },
})

/** What links crawling with the topics of a Scrapy Cluster; undefined where it is local. */
const topicsOf = async (
  node: ServerNode<CrawlingFaceSettings>,
): Promise<{ readonly bridge?: Bridge; readonly cluster?: Cluster; readonly service: Service } | undefined> => {
  const { settings } = node
  if (settings.brokers === undefined) return undefined
  const { topics, close } = await node.openTopics(settings.brokers)
  const serviceOf = (parts: Pick<Service, 'start' | 'stop'>): Service => ({
    name: 'topics',
    where: 'each',
    start: () => parts.start(),
    stop: () => close(parts),
  })
  if (settings.mode === 'bridge') {
    const { createBridge } = await import('../../workers/crawling/topics/bridge.ts')
    const bridge = createBridge({ ...node, topics })
    return { bridge, service: serviceOf(bridge) }
  }
  const { createCluster } = await import('../../workers/crawling/topics/cluster.ts')
  const cluster = createCluster({ ...node.ports, ...node, topics })
  return { cluster, service: serviceOf(cluster) }
}

const brokersAnswer =
  ({ connected }: Cluster, { brokers }: CrawlingFaceSettings): (() => Promise<void>) =>
  async () => {
    if (!connected()) throw new Error(`no broker answers at ${brokers?.brokers.join(',')}`)
  }

/** The crawling topics may be on brokers of their own: a single node with its embedded log stands in front of a Scrapy Cluster. */
const brokersOf = (env: Environment, mode: CrawlingSettings['mode']): KafkaSettings | undefined => {
  if (mode === 'local') return undefined
  const own = env.CRAWLING_KAFKA_BROKERS
  if ((own ?? env.KAFKA_BROKERS) === undefined)
    throw new Error(
      `CRAWLING_MODE=${mode} needs CRAWLING_KAFKA_BROKERS, or KAFKA_BROKERS where the crawling topics are on the same`,
    )
  if (own === undefined) return kafkaSettings(env)
  try {
    return kafkaSettings({ ...env, KAFKA_BROKERS: own })
  } catch (error) {
    throw new Error(messageOf(error).replaceAll('KAFKA_BROKERS', 'CRAWLING_KAFKA_BROKERS'))
  }
}
