import type { HttpPorts } from '../ports.ts'
import { jsonResponse } from './wrapper.ts'

/** This server process as clients of the face see it. */
export interface CrawlingNode {
  /** 12 lower-case hexadecimal digits, new at each start. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
}

/** Views without which polls and queues have nothing to answer from. */
const neededViews = (name: string): boolean => name === 'operations' || name.startsWith('crawling-')

const parts = { both: 'GREEN', one: 'YELLOW', none: 'RED' } as const

/**
 * `GET /`: five keys and always 200, because clients take a further key `status` for a failure. Kafka stands for the log that takes
 * commands, Redis for the views that answer. Source: crawling contract, section 2.
 */
export const createIndex = ({ ports, node }: { readonly ports: HttpPorts; readonly node: CrawlingNode }) => {
  const { log, projections, health, clock } = ports

  const takesCommands = async (): Promise<boolean> => {
    if (health.state() === 'draining') return false
    await log.head()
    const { log: state = 'ok' } = await health.checks()
    return state === 'ok'
  }

  const answers = async (): Promise<boolean> => {
    if (health.state() === 'starting') return false
    const views = (await projections.status()).filter(({ name }) => neededViews(name))
    return views.every(({ state }) => state !== 'faulted')
  }

  return async (): Promise<Response> => {
    const [kafka, redis] = await Promise.all([takesCommands().catch(() => false), answers().catch(() => false)])
    const node_health = kafka && redis ? parts.both : kafka || redis ? parts.one : parts.none
    return jsonResponse(200, {
      kafka_connected: kafka,
      my_id: node.id,
      node_health,
      redis_connected: redis,
      uptime_sec: Math.max(0, Math.floor((clock.now() - node.startedAt) / 1000)),
    })
  }
}
