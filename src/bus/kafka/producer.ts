import type { Kafka, Message } from 'kafkajs'
import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { Unavailable } from '../../lib/errors.ts'
import { createWholeProducer, type WholeProducer } from './whole-producer.ts'

export interface TopicRecord {
  readonly topic: string
  readonly message: Message
}

/** Publishes what is handed to it, gathered into batches. */
export interface GatheringProducer {
  /**
   * Resolves when all replicas in sync have the records. Rejects with `Unavailable` where that is not known after the bounded wait:
   * they may be there or come later all the same, so whoever consumes has to be safe against twice.
   */
  send(records: readonly TopicRecord[]): Promise<void>
  /** Waits for what is on its way, as long as the bounded wait allows, and disconnects. */
  close(): Promise<void>
}

interface Waiting {
  readonly records: readonly TopicRecord[]
  /** Bytes, about. */
  readonly size: number
  readonly settle: (error?: Error) => void
  isSettled: boolean
}

const waitMs = 10_000
const mostRecordsPerBatch = 1_000
/** What goes to one partition at once counts against `max.message.bytes`, 1 MiB by default. */
const mostBytesPerBatch = 900_000
/** About 30 MB of doorbells; past it a broker that is away costs no further memory. */
const mostWaiting = 100_000
const closeMs = 2_000
/** What a record is besides its key, value and headers, at most. */
const recordBytes = 70

/**
 * One idempotent producer with one batch in flight: while it is, the next one gathers, which carries far more than a request for each.
 * A batch whose outcome stays unknown costs the producer its place in the sequence, so it is replaced by a new one.
 */
export const createGatheringProducer = ({
  kafka,
  clock,
  logger,
}: {
  readonly kafka: Kafka
  readonly clock: Clock
  readonly logger: Logger
}): GatheringProducer => {
  let waiting: Waiting[] = []
  let waitingRecords = 0
  let producer: Promise<WholeProducer> | undefined
  let working: Promise<void> | undefined
  let isClosed = false

  const connected = (): Promise<WholeProducer> => {
    const opening = async (): Promise<WholeProducer> => {
      const fresh = createWholeProducer(kafka)
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
    let taken = 0
    for (const { records, size } of waiting) {
      if (taken > 0 && (count + records.length > mostRecordsPerBatch || bytes + size > mostBytesPerBatch)) break
      count += records.length
      bytes += size
      taken++
    }
    const batch = waiting.slice(0, taken)
    waiting = waiting.slice(taken)
    waitingRecords -= count
    // Nobody waits any more for what was given up, and it has been or will be rung again.
    return batch.filter(({ isSettled }) => !isSettled)
  }

  const work = async (): Promise<void> => {
    for (let batch = nextBatch(); batch.length > 0 || waiting.length > 0; batch = nextBatch()) {
      if (batch.length === 0) continue
      try {
        const { sendBatch } = await connected()
        await sendBatch({ acks: -1, topicMessages: byTopic(batch) })
        for (const { settle } of batch) settle()
      } catch (error) {
        dropProducer()
        logger.debug({ err: error }, 'a batch was given up')
        for (const { settle } of batch) settle(new Unavailable('the brokers did not take a message', { cause: error }))
      }
    }
    working = undefined
  }

  return {
    send: (records) => {
      if (isClosed) return Promise.reject(new Unavailable('the bus is closed'))
      if (records.length === 0) return Promise.resolve()
      if (waitingRecords + records.length > mostWaiting)
        return Promise.reject(new Unavailable('too many messages wait for the brokers'))
      return new Promise((resolve, reject) => {
        const entry: Waiting = {
          records,
          size: records.reduce((sum, { message }) => sum + sizeOf(message), 0),
          isSettled: false,
          settle: (error) => {
            if (entry.isSettled) return
            entry.isSettled = true
            cancel()
            if (error === undefined) resolve()
            else reject(error)
          },
        }
        const cancel = clock.after(waitMs, () =>
          entry.settle(new Unavailable(`the brokers did not take a message within ${waitMs} ms`)),
        )
        waiting.push(entry)
        waitingRecords += records.length
        working ??= Promise.resolve().then(work)
      })
    },
    close: async () => {
      isClosed = true
      const flushed = working ?? Promise.resolve()
      const closing = flushed.then(async () => (await producer)?.disconnect()).catch(() => undefined)
      const { promise: late, resolve } = Promise.withResolvers<void>()
      const cancel = clock.after(closeMs, resolve)
      await Promise.race([closing, late])
      cancel()
    },
  }
}

const sizeOf = ({ key, value, headers = {} }: Message): number =>
  Object.entries(headers).reduce((sum, [name, text]) => sum + name.length + String(text).length, recordBytes) +
  (key?.length ?? 0) +
  (value?.length ?? 0)

const byTopic = (batch: readonly Waiting[]): { topic: string; messages: Message[] }[] => {
  const topics = new Map<string, Message[]>()
  for (const { records } of batch) {
    for (const { topic, message } of records) {
      const messages = topics.get(topic) ?? []
      messages.push(message)
      topics.set(topic, messages)
    }
  }
  return [...topics].map(([topic, messages]) => ({ topic, messages }))
}
