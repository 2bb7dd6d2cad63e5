import type { Reply } from '../replies/reply.ts'
import { jsonResponse } from './envelope.ts'
import type { NodeStatus } from './node-status.ts'

/**
 * `GET /`: exactly five keys and always 200, because clients take a further key `status` for a failure.
 * Source: crawling contract, section 2.
 */
export const createIndex =
  ({ status, id }: { readonly status: () => Promise<NodeStatus>; readonly id: string }) =>
  async (): Promise<Reply> => {
    const { kafkaConnected, redisConnected, nodeHealth, uptimeMs } = await status()
    return jsonResponse(200, {
      kafka_connected: kafkaConnected,
      my_id: id,
      node_health: nodeHealth,
      redis_connected: redisConnected,
      uptime_sec: Math.floor(uptimeMs / 1000),
    })
  }
