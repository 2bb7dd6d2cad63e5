import type { Bridge } from '../../commands/crawling/bridge.ts'
import type { HttpPorts } from '../faces/http-ports.ts'

/** This server process as clients of the face see it. */
export interface CrawlingNode {
  /** 12 lower-case hexadecimal digits, new at each start. */
  readonly id: string
  /** By the monotonic clock. */
  readonly startedAt: number
}

export interface NodeStatus {
  /** Whether the log takes commands, and in place of a Scrapy Cluster its brokers answer; in front of one, whether its brokers answer. */
  readonly kafkaConnected: boolean
  /** Whether the views answer; in front of a Scrapy Cluster, whether the log takes commands too. */
  readonly redisConnected: boolean
  readonly nodeHealth: 'GREEN' | 'YELLOW' | 'RED'
  readonly uptimeMs: number
}

/** Views without which polls and queues have nothing to answer from. */
const isNeeded = (view: string): boolean => view === 'operations' || view.startsWith('crawling-')

/** How this process is, in the words of the original's parts. Never rejects. Source: crawling contract, section 2. */
export const createNodeStatus = ({
  ports,
  node,
  bridge,
  cluster,
}: {
  readonly ports: Pick<HttpPorts, 'log' | 'projections' | 'health' | 'clock'>
  readonly node: CrawlingNode
  readonly bridge?: Bridge | undefined
  readonly cluster?: { connected(): boolean } | undefined
}): (() => Promise<NodeStatus>) => {
  const { log, projections, health, clock } = ports

  const takesCommands = async (): Promise<boolean> => {
    const state = health.state()
    // The server refuses to take anything then.
    if (state === 'starting' || state === 'draining') return false
    await log.head()
    const { log: check = 'ok' } = await health.checks()
    return check === 'ok'
  }

  const answers = async (): Promise<boolean> => {
    if (health.state() === 'starting') return false
    const views = (await projections.status()).filter(({ name }) => isNeeded(name))
    return views.every(({ state }) => state !== 'faulted')
  }

  return async () => {
    const [takes, shows] = await Promise.all([takesCommands().catch(() => false), answers().catch(() => false)])
    const kafkaConnected = bridge?.connected() ?? (takes && (cluster?.connected() ?? true))
    const redisConnected = bridge === undefined ? shows : takes && shows
    const nodeHealth = kafkaConnected && redisConnected ? 'GREEN' : kafkaConnected || redisConnected ? 'YELLOW' : 'RED'
    return { kafkaConnected, redisConnected, nodeHealth, uptimeMs: Math.round(clock.monotonic() - node.startedAt) }
  }
}
