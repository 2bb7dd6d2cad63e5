import type { Logger } from 'pino'
import type { Clock } from '../../../lib/clock.ts'
import { Unavailable } from '../../../lib/errors.ts'
import { createKafka } from '../client.ts'
import { readTopic } from '../consume/read-topic.ts'
import { busTopics, deadLettersTopic, ensureTopics } from '../create-topics.ts'
import { createGatheringProducer } from '../produce/batching-producer.ts'
import type { KafkaSettings } from '../settings.ts'
import { checkKafka } from '../startup-check.ts'
import { type DeadLetter, discard, openLetters, redrive } from './dead-letters.ts'

/** Reads and handles the dead letters of a bus, for the command line; the bus does not need it. */
export interface LetterBox {
  /** All that are still to be dealt with, the earliest first. */
  list(): Promise<readonly DeadLetter[]>
  /** Publishes them again where they were found; they are not listed any more. */
  redrive(letters: readonly DeadLetter[]): Promise<void>
  /** They are not published again, and not listed any more. */
  discard(letters: readonly DeadLetter[]): Promise<void>
  close(): Promise<void>
}

const checkMs = 5_000

/** Rejects with `Unavailable` and one sentence where the brokers cannot be used. */
export const openLetterBox = async ({
  settings,
  clock,
  logger,
}: {
  readonly settings: KafkaSettings
  readonly clock: Clock
  readonly logger: Logger
}): Promise<LetterBox> => {
  const problem = await checkKafka({ settings, logger, clock, timeoutMs: checkMs })
  if (problem !== undefined) throw new Unavailable(problem.sentence)
  const kafka = createKafka({ settings, logger })
  await ensureTopics({ kafka, settings, topics: busTopics(settings), clock, logger })
  const producer = createGatheringProducer({ kafka, bound: 'time', clock, logger })
  const topic = deadLettersTopic(settings)
  return {
    list: async () =>
      openLetters(await readTopic({ kafka, topic, groupPrefix: `${settings.topicPrefix}.dead-letters-reader`, clock })),
    redrive: (letters) => redrive(letters, { producer, topic }),
    discard: (letters) => discard(letters, { producer, topic }),
    close: () => producer.close(),
  }
}
