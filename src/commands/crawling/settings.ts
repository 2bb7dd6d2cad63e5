import { z } from 'zod'
import { type Environment, settingsFrom, variablesOf, whole, yesOrNo } from '../../lib/environment.ts'
import { noProxies, type ProxyFor, proxiesOf } from '../../lib/proxy-settings.ts'

const topicName = z.string().regex(/^[\w.-]{1,100}$/, 'is not a topic name')

/** Every setting of the crawling face, with the original's defaults. Source: crawling contract, sections 6 and 13. */
export const CrawlingSettings = z.object({
  /** Starts of fetches per domain within the window. */
  hits: whole(0).default(10),
  /** Length of the rolling window in seconds. */
  windowS: whole(1).default(60),
  /** Whether starts are spread over the window. */
  moderated: yesOrNo.default(true),
  /** How long `/feed` waits for an answer; 0 gives every answer through `/poll`. */
  responseWaitMs: whole(0, 600_000).default(5_000),
  /** How long seen addresses of a crawl are remembered after the last test. */
  duplicateMemoryS: whole(0).default(600),
  /** How long the page counters of a crawl are remembered after the last test. */
  pageMemoryS: whole(0).default(600),
  /** Most pages per domain and crawl, 0 for no limit. */
  globalPageLimit: whole(0).default(0),
  /** Whether links to blacklisted domains are queued until the domain is let free. */
  backlogBlacklisted: yesOrNo.default(true),
  /** Tries after the first. */
  retries: whole(0, 100).default(3),
  /** Bounds a whole fetch, body included. */
  downloadTimeoutMs: whole(1, 3_600_000).default(10_000),
  /** How long reading one page may take: markup, encoding and the crawl's patterns. */
  readTimeoutMs: whole(1, 3_600_000).default(5_000),
  /** Largest body that is taken, in bytes after decompression. */
  maxBytes: whole(1).default(33_554_432),
  maxRedirects: whole(0, 1_000).default(20),
  /** Most queued pages per appid, 0 for no limit. */
  maxQueued: whole(0).default(0),
  /** Fetches at the same time. */
  concurrency: whole(1, 1_000).default(16),
  perHost: whole(1, 1_000).default(8),
  /** Whether `/feed` refuses what no schema takes. */
  strict: yesOrNo.default(false),
  /** Largest `maxdepth` that a feed may ask for. */
  maxDepth: whole(0).default(3),
  /** Whether link-local addresses (metadata services of clouds) may be fetched. */
  allowLinkLocal: yesOrNo.default(false),
  /** Whether private and loopback addresses may be fetched; a server that others can reach starts with no. */
  allowPrivate: yesOrNo.default(true),
  /** Whether pages that the robots.txt of their site forbids are dropped; the original never asks. */
  robotstxt: yesOrNo.default(false),
  /** Whether certificates of sites are checked; the original never does. */
  tlsVerify: yesOrNo.default(true),
  /** Whether the bodies of items are always given as base64. */
  base64Body: yesOrNo.default(false),
  /** Days that an unpolled answer is kept. */
  answerRetentionDays: whole(1).default(7),
  /**
   * `local`: fed by HTTP, crawled here. `bridge`: HTTP in front of a Scrapy Cluster, which crawls. `cluster`: crawled here, fed and read
   * by Kafka too. Source: crawling contract, section 8.
   */
  mode: z.enum(['local', 'bridge', 'cluster'], 'is not local, bridge or cluster').default('local'),
  /** Brokers of the topics below, `host:port,host:port`; default KAFKA_BROKERS. */
  kafkaBrokers: z.string().optional(),
  /** Beginning of the topics that answers and items are read from or written to, and of the group that reads what is fed. */
  topicPrefix: topicName.default('demo'),
  /** Topic of feeds; default `<topic prefix>.incoming`. */
  incomingTopic: topicName.optional(),
  /** Whether answers and items also go to a topic of their appid alone. */
  appidTopics: yesOrNo.default(false),
  /** Whether a bridge keeps the items that the cluster behind it has crawled. */
  bridgeItems: yesOrNo.default(false),
})
export type CrawlingSettings = z.infer<typeof CrawlingSettings> & {
  /** From CRAWLING_PROXY and the variables that name proxies everywhere. */
  readonly proxyFor: ProxyFor
}

/** The defaults alone, for tests and embedding programs. */
export const defaultCrawlingSettings: CrawlingSettings = { ...CrawlingSettings.parse({}), proxyFor: noProxies }

/**
 * The settings of an environment (`CRAWLING_HITS=100`), defaults where a variable is missing. Throws an `Error` whose
 * message has one line per variable that cannot be honoured.
 */
export const crawlingSettings = (environment: Environment): CrawlingSettings => ({
  ...settingsFrom('CRAWLING', CrawlingSettings, environment),
  proxyFor: proxiesOf(environment, 'CRAWLING_PROXY'),
})

/** Names of the topics and of the groups that share what is fed and what was crawled. Source: crawling contract, section 8. */
export const crawlingTopics = ({ topicPrefix, incomingTopic }: Pick<CrawlingSettings, 'topicPrefix' | 'incomingTopic'>) => ({
  incoming: incomingTopic ?? `${topicPrefix}.incoming`,
  outbound: `${topicPrefix}.outbound_firehose`,
  crawled: `${topicPrefix}.crawled_firehose`,
  outboundOf: (appid: string): string => `${topicPrefix}.outbound_${appid}`,
  crawledOf: (appid: string): string => `${topicPrefix}.crawled_${appid}`,
  group: `${topicPrefix}-group`,
  itemsGroup: `${topicPrefix}-intendant-items`,
})

export const crawlingVariables = [...variablesOf('CRAWLING', CrawlingSettings), 'CRAWLING_PROXY']
