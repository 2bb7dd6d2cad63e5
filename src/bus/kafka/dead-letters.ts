import type { IHeaders } from 'kafkajs'
import { type Clock, instant } from '../../lib/clock.ts'
import type { Source } from './messages.ts'
import type { GatheringProducer } from './producer.ts'
import type { KafkaSettings } from './settings.ts'
import { deadLettersTopic } from './topics.ts'

export interface DeadLetterReason {
  readonly reason: string
  readonly operationId?: string
}

const ours = 'intendant-'
const names = {
  reason: `${ours}reason`,
  at: `${ours}at`,
  operationId: `${ours}operation`,
  topic: `${ours}topic`,
  partition: `${ours}partition`,
  offset: `${ours}offset`,
  keyed: `${ours}key`,
} as const

/**
 * A letter is keyed by the place and time of its message, so groups that stumble over the same message write the same letter. A record without a value
 * under the same key says that it was redriven.
 */
const letterKey = ({ topic, partition, message }: Source): string =>
  `${topic}:${partition}:${message.offset}:${message.timestamp}`

export const createDeadLetters = ({
  producer,
  settings,
  clock,
}: {
  readonly producer: GatheringProducer
  readonly settings: KafkaSettings
  readonly clock: Clock
}) => ({
  bury: (source: Source, { reason, operationId }: DeadLetterReason): Promise<void> => {
    const { topic, partition, message } = source
    const headers: IHeaders = {
      ...message.headers,
      [names.reason]: reason,
      [names.at]: instant(clock.now()),
      [names.topic]: topic,
      [names.partition]: String(partition),
      [names.offset]: message.offset,
      ...(operationId === undefined ? {} : { [names.operationId]: operationId }),
      ...(message.key === null ? {} : { [names.keyed]: message.key }),
    }
    // A record without a value would say that it was redriven.
    const value = message.value ?? Buffer.alloc(0)
    return producer.send([{ topic: deadLettersTopic(settings), message: { key: letterKey(source), value, headers } }])
  },
})
