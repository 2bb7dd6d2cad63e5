import { Kafka, logLevel, Partitioners } from 'kafkajs'
import { newId } from '../../src/lib/ids.ts'
import { openLoop } from '../lib/open-loop.ts'
import { median } from '../lib/percentiles.ts'
import { answerTask } from '../lib/task.ts'

export interface RoundOrder {
  readonly brokers: string
  readonly perSecond: number
}
/** Milliseconds from producing a message until it is consumed. */
export interface BareRound {
  readonly p50: number
}

const seconds = 3
const partitions = 12

/** Produce → consume through kafkajs alone. */
answerTask(async ({ brokers, perSecond }: RoundOrder): Promise<BareRound> => {
  const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING })
  const topic = `bench-${newId()}`
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: true })
  const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 100 })
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await Promise.all([consumer.connect(), producer.connect()])
  await consumer.subscribe({ topic, fromBeginning: true })
  const heard = new Map<string, () => void>()
  // Without commits of offsets, which take longer than everything else here.
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: partitions,
    eachMessage: async ({ message }) => heard.get(message.value?.toString() ?? '')?.(),
  })
  const round = async (): Promise<void> => {
    const value = newId()
    const { promise, resolve } = Promise.withResolvers<void>()
    heard.set(value, resolve)
    await producer.send({ topic, messages: [{ value }] })
    await promise
    heard.delete(value)
  }
  await round()
  await openLoop({ perSecond, count: perSecond }, round)
  const p50 = median(await openLoop({ perSecond, count: perSecond * seconds }, round))
  await Promise.all([consumer.disconnect(), producer.disconnect()])
  await admin.deleteTopics({ topics: [topic] })
  await admin.disconnect()
  return { p50 }
})
