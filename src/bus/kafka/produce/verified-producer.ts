import type { Kafka, Message, Producer, ProducerBatch, ProducerConfig } from 'kafkajs'
import { Unavailable } from '../../../lib/errors.ts'
import { partitioner } from '../client.ts'

/** A producer whose `sendBatch` resolves when every message has been acknowledged. */
export type WholeProducer = Pick<Producer, 'connect' | 'disconnect'> & {
  sendBatch(batch: ProducerBatch): Promise<void>
}

/**
 * An idempotent producer of kafkajs, mended where it loses or doubles messages without a word.
 *
 * It keeps answers by broker over its tries: where one broker has answered, another has not, and the leadership of the other's partitions
 * moves to the first before the next try, those messages are taken for answered and never sent. So the answers are counted here, and
 * what has none is sent again.
 *
 * It asks for the partition again at every try, and a message without a key would go elsewhere: the broker would see other messages under
 * the same sequence numbers, and the retry would not be idempotent. So a message keeps the partition that it was first given.
 */
export const createWholeProducer = (
  kafka: Kafka,
  config: Omit<ProducerConfig, 'createPartitioner' | 'idempotent' | 'maxInFlightRequests' | 'transactionalId'> = {},
): WholeProducer => {
  const chosen = new WeakMap<Message, number>()
  const stablePartitioner = () => {
    const choose = partitioner()
    return (question: Parameters<typeof choose>[0]): number => {
      const partition = chosen.get(question.message) ?? choose(question)
      chosen.set(question.message, partition)
      return partition
    }
  }
  const producer = kafka.producer({
    allowAutoTopicCreation: false,
    ...config,
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: stablePartitioner,
  })
  return {
    connect: () => producer.connect(),
    disconnect: () => producer.disconnect(),
    sendBatch: async ({ topicMessages = [], ...more }) => {
      let unanswered = topicMessages
      while (unanswered.length > 0) {
        const answers = await producer.sendBatch({ ...more, topicMessages: unanswered })
        if (answers.length === 0) throw new Unavailable('the brokers answered, but for no partition')
        const answered = new Set(answers.map(({ topicName, partition }) => `${partition}:${topicName}`))
        unanswered = unanswered
          .map(({ topic, messages }) => ({
            topic,
            messages: messages.filter((message) => !answered.has(`${chosen.get(message)}:${topic}`)),
          }))
          .filter(({ messages }) => messages.length > 0)
      }
    },
  }
}
