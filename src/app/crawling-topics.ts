import type { Logger } from 'pino'
import { createKafka } from '../bus/kafka/client.ts'
import { createKafkaMessageTopics } from '../bus/kafka/message-topics.ts'
import type { MessageTopics } from '../bus/message-topics.ts'
import type { Config } from '../config.ts'
import type { Clock } from '../lib/clock.ts'

/** The topics of a Scrapy Cluster, where the settings name their brokers. */
export const openCrawlingTopics = ({
  config: { crawlingKafka: settings },
  clock,
  logger,
}: {
  readonly config: Config
  readonly clock: Clock
  readonly logger: Logger
}): MessageTopics | undefined =>
  settings === undefined
    ? undefined
    : createKafkaMessageTopics({ kafka: createKafka({ settings, logger }), settings, clock, logger })
