import { parseInstant } from '../../../lib/clock.ts'
import { isObject, type JsonObject } from '../../../lib/json.ts'
import { isAnsweringKind } from '../../../projections/crawling/answers.ts'
import { queueQueries } from '../../../projections/crawling/queue-queries.ts'
import type { RecordedEvent } from '../../../stores/event-log.ts'
import { type AnsweringPorts, caughtUp } from '../kinds/answering.ts'

/** The answer that an operation's result becomes; undefined if it has none. Source: crawling contract, section 5. */
export const answerOf = async ({ log }: AnsweringPorts, { stream, data }: RecordedEvent): Promise<JsonObject | undefined> => {
  const { result } = data
  if (!isObject(result) || typeof result.uuid !== 'string' || typeof result.appid !== 'string') return undefined
  for await (const { data: requested } of log.readStream(stream, { limit: 1 }))
    return isAnsweringKind(String(requested.kind)) ? (result as JsonObject) : undefined
  return undefined
}

/** The notification that a crawl has expired. Source: crawling contract, section 5.4. */
export const expiredOf = async (
  ports: AnsweringPorts,
  { id, data, position, recordedAt }: RecordedEvent,
): Promise<JsonObject> => {
  await caughtUp(ports, ['crawling-pages'], position)
  const { appid, crawlid, spiderid } = data
  const total_expired = queueQueries(ports.projections.views('crawling-pages')).purged(id) ?? 0
  const server_time = Math.floor(parseInstant(recordedAt) / 1000)
  return { action: 'expired', server_time, appid, crawlid, spiderid, total_expired }
}
