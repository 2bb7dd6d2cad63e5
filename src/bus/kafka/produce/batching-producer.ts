import type { IHeaders, Kafka, Message } from 'kafkajs'
import type { Logger } from 'pino'
import type { Clock } from '../../../lib/clock.ts'
import { messageOf, Unacceptable, Unavailable } from '../../../lib/errors.ts'
import { within } from '../../../lib/time-limit.ts'
import { createWholeProducer, type WholeProducer } from './verified-producer.ts'

export interface Outgoing {
  readonly topic: string
  /** Messages of one key keep their order; null: any partition. */
  readonly key: Buffer | string | null
  /** Null takes back what a compacted topic holds under the key. */
  readonly value: Uint8Array | string | null
  readonly headers?: IHeaders
}

/** Sends messages in the order of the calls. Those that wait during a request form the next batch. */
export interface GatheringProducer {
  /**
   * Resolves when all replicas in sync have all of them; after one that fails, no later one of the same call is sent. Rejects with
   * `Unacceptable` where one is larger than its topic takes, with `Unavailable` where the outcome is unknown: a message may be there or come
   * later all the same, so whoever consumes has to be safe against twice.
   */
  send(messages: readonly Outgoing[]): Promise<void>
  /** Waits for the batch in flight, up to a limit, and disconnects. */
  close(): Promise<void>
}

interface Call {
  readonly taken: () => void
  readonly fail: (error: Error) => void
  /** Whether its caller has stopped waiting. */
  readonly hasFailed: () => boolean
}

interface Waiting {
  readonly topic: string
  readonly message: Message
  /** Bytes, about. */
  readonly size: number
  readonly call: Call
}

const sendMs = 10_000
const closeMs = 2_000
/** A few seconds. */
const fewTries = { retries: 5, initialRetryTime: 100, maxRetryTime: 1_000, multiplier: 2 }
const mostPerBatch = 1_000
/** A batch for one partition counts against the topic's `max.message.bytes`, 1 MiB by default. */
const mostBytesPerBatch = 900_000
/** About 30 MB of jobs; beyond that an unreachable broker costs no further memory. */
const mostWaiting = 100_000
/** What a message is besides its key, value and headers, at most. */
const messageBytes = 70
const headerBytes = 8

/**
 * One idempotent producer with one batch in flight: while it is, the next one gathers, which carries far more than a request for each.
 *
 * A batch that failed costs the producer its place in the sequence: kafkajs goes back to where it was, though the brokers may have
 * written it, and would take the next batch of the same length for a repetition. So the producer is replaced by a new one.
 */
export const createGatheringProducer = ({
  kafka,
  bound,
  clock,
  logger,
}: {
  readonly kafka: Kafka
  /**
   * What ends a call that brokers do not answer. `time`: ten seconds, and two at the closing, however long `kafka` goes on trying; for
   * doorbells, which are rung again. `tries`: six, some seconds; for whoever repeats the call and wants no message behind its back.
   */
  readonly bound: 'time' | 'tries'
  readonly clock: Clock
  readonly logger: Logger
}): GatheringProducer => {
  const waiting: Waiting[] = []
  let producer: Promise<WholeProducer> | undefined
  let working: Promise<void> | undefined
  let isClosed = false

  const connected = (): Promise<WholeProducer> => {
    const opening = async (): Promise<WholeProducer> => {
      const fresh = createWholeProducer(kafka, bound === 'tries' ? { retry: fewTries } : {})
      await fresh.connect().catch((error: unknown) => {
        fresh.disconnect().catch(() => undefined)
        throw error
      })
      return fresh
    }
    producer ??= opening()
    return producer
  }

  const dropProducer = (): void => {
    const old = producer
    producer = undefined
    old?.then((dead) => dead.disconnect()).catch(() => undefined)
  }

  const nextBatch = (): Waiting[] => {
    let count = 0
    let bytes = 0
    for (const { size } of waiting) {
      if (count > 0 && (count >= mostPerBatch || bytes + size > mostBytesPerBatch)) break
      bytes += size
      count++
    }
    return waiting.splice(0, count)
  }

  const attempt = async (given: readonly Waiting[]): Promise<void> => {
    // No message overtakes an earlier one that failed; an abandoned message was or will be sent again.
    const batch = given.filter(({ call }) => !call.hasFailed())
    if (batch.length === 0) return
    try {
      const { sendBatch } = await connected()
      await sendBatch({ acks: -1, topicMessages: byTopic(batch) })
      for (const { call } of batch) call.taken()
    } catch (error) {
      const isTooLarge = saysTooLarge(error)
      // Only of a single message it is certain then that nothing was written.
      if (!isTooLarge || batch.length > 1) dropProducer()
      if (isTooLarge && batch.length > 1) {
        const half = Math.ceil(batch.length / 2)
        await attempt(batch.slice(0, half))
        await attempt(batch.slice(half))
        return
      }
      logger.debug({ err: error, messages: batch.length }, 'a batch was given up')
      for (const { call, topic } of batch) call.fail(isTooLarge ? tooLarge(topic) : notTaken(topic, error))
    }
  }

  const work = async (): Promise<void> => {
    while (waiting.length > 0) await attempt(nextBatch())
    working = undefined
  }

  return {
    send: (messages) => {
      if (isClosed) return Promise.reject(new Unavailable('the connection to Kafka is closed'))
      if (messages.length === 0) return Promise.resolve()
      if (waiting.length + messages.length > mostWaiting)
        return Promise.reject(new Unavailable('too many messages wait for the brokers'))
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      let left = messages.length
      let hasFailed = false
      const fail = (error: Error): void => {
        hasFailed = true
        cancel()
        reject(error)
      }
      const late = (): void => fail(new Unavailable(`the brokers did not take a message within ${sendMs} ms`))
      const cancel = bound === 'time' ? clock.after(sendMs, late) : () => undefined
      const taken = (): void => {
        if (--left > 0) return
        cancel()
        resolve()
      }
      const call: Call = { taken, fail, hasFailed: () => hasFailed }
      for (const { topic, ...message } of messages)
        waiting.push({ topic, message: messageFrom(message), size: sizeOf(message), call })
      working ??= Promise.resolve().then(work)
      return promise
    },
    close: async () => {
      isClosed = true
      const flushed = working ?? Promise.resolve()
      const closing = flushed.then(async () => (await producer)?.disconnect())
      const otherwise = 'the brokers did not confirm the messages in flight'
      await (bound === 'time' ? within({ clock, ms: closeMs, otherwise }, closing) : closing).catch((error: unknown) =>
        logger.debug({ err: error }, 'a producer did not end well'),
      )
    },
  }
}

type Content = Omit<Outgoing, 'topic'>

const messageFrom = ({ key, value, headers }: Content): Message => ({
  key,
  value: value instanceof Uint8Array && !Buffer.isBuffer(value) ? Buffer.from(value) : (value as Buffer | string | null),
  ...(headers === undefined ? {} : { headers }),
})

const sizeOf = ({ key, value, headers = {} }: Content): number =>
  messageBytes +
  Buffer.byteLength(key ?? '') +
  Buffer.byteLength(value ?? '') +
  Object.entries(headers).reduce((sum, [name, text]) => sum + name.length + String(text).length + headerBytes, 0)

const byTopic = (batch: readonly Waiting[]): { topic: string; messages: Message[] }[] =>
  [...Map.groupBy(batch, ({ topic }) => topic)].map(([topic, those]) => ({
    topic,
    messages: those.map(({ message }) => message),
  }))

/** kafkajs wraps what the brokers said. */
const saysTooLarge = (error: unknown): boolean => {
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    if ('type' in at && at.type === 'MESSAGE_TOO_LARGE') return true
  return false
}

const tooLarge = (topic: string): Error => new Unacceptable(`a message is larger than topic ${topic} takes (max.message.bytes)`)

const notTaken = (topic: string, error: unknown): Error =>
  new Unavailable(`Kafka took no messages for ${topic}: ${messageOf(error)}`, { cause: error })
