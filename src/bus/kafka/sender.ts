import type { IHeaders, Kafka } from 'kafkajs'
import { messageOf, Unacceptable, Unavailable } from '../../lib/errors.ts'
import { createWholeProducer, type WholeProducer } from './whole-producer.ts'

export interface Outgoing {
  readonly topic: string
  /** Messages of one key keep their order; null: any partition. */
  readonly key: string | null
  readonly value: Uint8Array | string
  readonly headers?: IHeaders
}

/** Sends in the order in which it is asked: what waits while a request is under way goes together in the next one. */
export interface Sender {
  /**
   * Resolves when the brokers have all of them; after one that fails, no later one of the same call is sent. Rejects with `Unacceptable` where one is larger than its topic takes, with
   * `Unavailable` where the outcome is unknown: sent again, a message may be there twice.
   */
  send(messages: readonly Outgoing[]): Promise<void>
  close(): Promise<void>
}

/** All that goes to one partition in one request counts against the topic's `max.message.bytes`, whose default is 1 MiB. */
const mostBytesAtOnce = 900_000
const mostAtOnce = 1_000
/** A few seconds; whoever sends decides what happens then. */
const retry = { retries: 5, initialRetryTime: 100, maxRetryTime: 1_000, multiplier: 2 }

interface Waiting {
  readonly message: Outgoing
  readonly bytes: number
  /** Shared by the messages of one call: what follows a message that failed is not sent, so that none overtakes it. */
  readonly call: { failed?: Error }
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export const createSender = ({ kafka }: { readonly kafka: Kafka }): Sender => {
  let waiting: Waiting[] = []
  let producer: WholeProducer | undefined
  let pumping: Promise<void> | undefined
  let isClosed = false

  const connected = async (): Promise<WholeProducer> => {
    if (producer !== undefined) return producer
    const made = createWholeProducer(kafka, { retry })
    await made.connect()
    producer = made
    return made
  }

  const deliver = async (batch: readonly Waiting[]): Promise<void> => {
    const byTopic = new Map<string, { key: string | null; value: Buffer; headers?: IHeaders }[]>()
    for (const { message } of batch) {
      const { topic, key, value, headers } = message
      const messages = byTopic.get(topic) ?? []
      messages.push({ key, value: Buffer.from(value as string), ...(headers === undefined ? {} : { headers }) })
      byTopic.set(topic, messages)
    }
    const topicMessages = [...byTopic].map(([topic, messages]) => ({ topic, messages }))
    await (await connected()).sendBatch({ acks: -1, topicMessages })
  }

  const attempt = async (given: readonly Waiting[]): Promise<void> => {
    const batch = given.filter(({ call, reject }) => {
      if (call.failed !== undefined) reject(call.failed)
      return call.failed === undefined
    })
    if (batch.length === 0) return
    try {
      await deliver(batch)
      for (const { resolve } of batch) resolve()
    } catch (error) {
      const types = typesOf(error)
      if (types.includes('MESSAGE_TOO_LARGE') && batch.length > 1) {
        for (const one of batch) await attempt([one])
        return
      }
      // A producer whose sequence the broker refuses is of no more use; any other goes on and is recognised by the broker.
      if (types.length > 0 && !types.includes('MESSAGE_TOO_LARGE')) await forget()
      for (const { reject, message, call } of batch) {
        call.failed = toldAs(error, message.topic)
        reject(call.failed)
      }
    }
  }

  const forget = async (): Promise<void> => {
    const old = producer
    producer = undefined
    await old?.disconnect().catch(() => undefined)
  }

  const pump = async (): Promise<void> => {
    while (waiting.length > 0) {
      let bytes = 0
      let count = 0
      for (const { bytes: more } of waiting) {
        if (count > 0 && (bytes + more > mostBytesAtOnce || count >= mostAtOnce)) break
        bytes += more
        count++
      }
      const batch = waiting.slice(0, count)
      waiting = waiting.slice(count)
      await attempt(batch)
    }
    pumping = undefined
  }

  return {
    send: async (messages) => {
      if (isClosed) throw new Unavailable('the connection to Kafka is closed')
      const call = {}
      const sent = messages.map(
        (message) =>
          new Promise<void>((resolve, reject) => {
            waiting.push({ message, bytes: sizeOf(message), call, resolve, reject })
          }),
      )
      pumping ??= Promise.resolve().then(pump)
      const results = await Promise.allSettled(sent)
      const failed = results.find((result) => result.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    },
    close: async () => {
      isClosed = true
      await pumping
      await forget()
    },
  }
}

const headerBytes = 64

const sizeOf = ({ key, value, headers = {} }: Outgoing): number =>
  headerBytes +
  Buffer.byteLength(key ?? '') +
  Buffer.byteLength(value) +
  Object.entries(headers).reduce((sum, [name, text]) => sum + name.length + String(text).length + 8, 0)

/** What the brokers call the fault, from the outside in: `MESSAGE_TOO_LARGE`, `OUT_OF_ORDER_SEQUENCE_NUMBER`. */
const typesOf = (error: unknown): readonly string[] => {
  const types: string[] = []
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    if ('type' in at && typeof at.type === 'string') types.push(at.type)
  return types
}

const toldAs = (error: unknown, topic: string): Error =>
  typesOf(error).includes('MESSAGE_TOO_LARGE')
    ? new Unacceptable(`a message is larger than topic ${topic} takes (max.message.bytes)`)
    : new Unavailable(`Kafka took no messages for ${topic}: ${messageOf(error)}`)
