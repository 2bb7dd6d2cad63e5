import type { Logger } from 'pino'
import type { KafkaSettings } from '../../bus/kafka/settings.ts'
import type { Clock } from '../../lib/clock.ts'
import type { OpenedTopics } from '../face-module.ts'

/** Brokers that are away are not waited for longer than this at a stop. */
const stopWithinMs = 3_000

/** Topics of other programs. Loads the client of Kafka. */
export const openTopics = async (
  settings: KafkaSettings,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<OpenedTopics> => {
  const { createKafka } = await import('../../bus/kafka/client.ts')
  const { createKafkaMessageTopics } = await import('../../bus/kafka/kafka-message-topics.ts')
  const ending = new AbortController()
  const kafka = createKafka({ settings, logger, signal: ending.signal })
  return {
    topics: createKafkaMessageTopics({ kafka, settings, clock, logger }),
    close: async (parts) => {
      const stopped = parts.stop()
      const cancel = clock.after(stopWithinMs, () => ending.abort())
      await stopped.finally(cancel)
      ending.abort()
    },
  }
}
