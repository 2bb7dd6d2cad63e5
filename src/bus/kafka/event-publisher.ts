import type { Kafka } from 'kafkajs'
import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { within } from '../../lib/time-limit.ts'
import { cloudEventAttributes, sourceOf } from '../../stores/cloud-event.ts'
import type { EventLog, RecordedEvent } from '../../stores/event-log.ts'
import type { Leadership } from '../../stores/leadership.ts'
import { createOutbox, type Outbox, type OutboxOptions } from '../../stores/outbox.ts'
import { ensureTopics, topicPlan } from './create-topics.ts'
import { createGatheringProducer, type Outgoing } from './produce/batching-producer.ts'
import type { KafkaSettings } from './settings.ts'

/** An event's data may have 1 MiB; the rest is for its headers. */
const maxMessageBytes = 2_097_152
const stopWithinMs = 5_000

/**
 * Publishes every event of the log to `<prefix>.events`, on one node at a time: in the order of each stream, at least once, from the
 * first event on. While the brokers are down it waits. `identity` names the log (`ce_source`).
 */
export const createEventPublisher = ({
  log,
  kafka,
  settings,
  identity,
  leadership,
  keepShort,
  clock,
  logger,
}: {
  readonly log: EventLog
  readonly kafka: Kafka
  readonly settings: KafkaSettings
  readonly identity: string
  readonly leadership: Leadership
  readonly keepShort: OutboxOptions['keepShort']
  readonly clock: Clock
  readonly logger: Logger
}): Outbox => {
  const topic = `${settings.topicPrefix}.events`
  const source = sourceOf(identity)
  const producer = createGatheringProducer({ kafka, bound: 'tries', clock, logger })
  const plan = topicPlan(settings, { topic, retentionMs: settings.retentionMs, maxMessageBytes })
  let isTopicThere = false

  const follower = createOutbox({
    log,
    leadership,
    office: `publisher-${topic}`,
    beginning: 'origin',
    deliver: async (events) => {
      if (!isTopicThere) await ensureTopics({ kafka, settings, topics: [plan], clock, logger })
      isTopicThere = true
      await producer.send(events.map((event) => cloudEvent(event, { topic, source })))
    },
    keepShort,
    clock,
    logger,
  })
  return {
    start: follower.start,
    stop: async () => {
      // What a broker does not take now is delivered after the next start.
      const otherwise = 'the publishing in progress has not ended'
      await within({ clock, ms: stopWithinMs, otherwise }, follower.stop().then(producer.close)).catch((error: unknown) =>
        logger.warn({ reason: messageOf(error) }, 'the publisher did not close'),
      )
    },
  }
}

/** CloudEvents 1.0, Kafka protocol binding, binary content mode. The key is the stream: its events keep their order. */
export const cloudEvent = (
  event: RecordedEvent,
  { topic, source }: { readonly topic: string; readonly source: string },
): Outgoing => ({
  topic,
  key: event.stream,
  value: JSON.stringify(event.data),
  headers: {
    ...Object.fromEntries(Object.entries(cloudEventAttributes(event, source)).map(([name, value]) => [`ce_${name}`, value])),
    'content-type': 'application/json',
  },
})
