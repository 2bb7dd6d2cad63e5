import type { Kafka, Message, ProducerBatch, ProducerConfig } from 'kafkajs'
import { expect, test } from 'vitest'
import { createWholeProducer } from '../../../../src/bus/kafka/produce/verified-producer.ts'

/** Two partitions, as kafkajs describes them to a partitioner. */
const partitionMetadata = [0, 1].map((partitionId) => ({
  partitionId,
  leader: 1,
  replicas: [1],
  isr: [1],
  partitionErrorCode: 0,
  offlineReplicas: [],
}))

/** kafkajs on the day on which a leadership moves: it answers for the partitions of `answersFor`, one entry a call, and says no more. */
const kafkaThatAnswers = (...answersFor: readonly (readonly number[])[]) => {
  const sent: { readonly value: string; readonly partition: number }[][] = []
  const producer = ({ createPartitioner }: ProducerConfig) => {
    const choose = createPartitioner?.()
    if (choose === undefined) throw new Error('no partitioner')
    return {
      sendBatch: async ({ topicMessages = [] }: ProducerBatch) => {
        const place = (topic: string, message: Message) => ({
          value: String(message.value),
          partition: choose({ topic, partitionMetadata, message }),
        })
        sent.push(topicMessages.flatMap(({ topic, messages }) => messages.map((message) => place(topic, message))))
        return (answersFor[sent.length - 1] ?? [0, 1]).map((partition) => ({ topicName: 'jobs', partition, errorCode: 0 }))
      },
    }
  }
  return { kafka: { producer } as unknown as Kafka, sent }
}

const messages = Array.from({ length: 20 }, (_, at) => ({ key: null, value: String(at) }))

test('what no answer was for is sent again, to the same partition, and nothing else', async () => {
  const { kafka, sent } = kafkaThatAnswers([0], [1])
  await createWholeProducer(kafka).sendBatch({ topicMessages: [{ topic: 'jobs', messages }] })
  expect(sent).toHaveLength(2)
  const second = sent[0]?.filter(({ partition }) => partition === 1) ?? []
  expect(second.length).toBeGreaterThan(0)
  expect(sent[1]).toEqual(second)
})

test('what was answered at once is sent once', async () => {
  const { kafka, sent } = kafkaThatAnswers([0, 1])
  await createWholeProducer(kafka).sendBatch({ topicMessages: [{ topic: 'jobs', messages }] })
  expect(sent).toHaveLength(1)
})

test('an answer for nothing is a failure, not a reason to go on for ever', async () => {
  const { kafka } = kafkaThatAnswers([], [])
  await expect(createWholeProducer(kafka).sendBatch({ topicMessages: [{ topic: 'jobs', messages }] })).rejects.toMatchObject({
    name: 'Unavailable',
  })
})
