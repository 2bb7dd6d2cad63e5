import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { Unavailable } from '../../lib/errors.ts'
import { within } from '../../lib/within.ts'
import type { ConsumeOptions, Job, JobBus } from '../job-bus.ts'
import { checkKafka } from './check.ts'
import { createKafka, endless, impatient } from './client.ts'
import { consumeJobs } from './consumer.ts'
import { type DeadLetterReason, letterOf } from './dead-letters.ts'
import { createGatheringProducer } from './gathering-producer.ts'
import { messageOfJob, type Source } from './messages.ts'
import { type Pulse, startPulse } from './pulse.ts'
import type { KafkaSettings } from './settings.ts'
import { busTopics, deadLettersTopic, ensureTopics, jobsTopic } from './topics.ts'

export interface KafkaBus extends JobBus {
  /**
   * Resolves when the brokers answer and the topics are there. Brokers that are away are waited for, half a minute; rejects with `Unavailable`
   * whose message is one sentence that says what is wrong, never with a secret.
   */
  start(): Promise<void>
  /** Whether the brokers answered when they were last asked, two seconds ago at most and as long an answer may take. */
  connected(): boolean
}

const checkMs = 5_000
const startWithinMs = 30_000
const tryAgainMs = 1_000
const closeMs = 3_000

/** The job bus on Kafka: what is published is heard by one worker of every group of workers that take the same kinds. */
export const createKafkaBus = ({
  settings,
  logger,
  clock,
}: {
  readonly settings: KafkaSettings
  readonly logger: Logger
  readonly clock: Clock
}): KafkaBus => {
  const givenUp = new AbortController()
  // Waiting in place costs a consumer nothing, while a new one would have to wait until the group has forgotten the old one.
  const kafka = createKafka({ settings, logger, retry: endless, signal: givenUp.signal })
  const producer = createGatheringProducer({ kafka, bound: 'time', clock, logger })
  const topic = jobsTopic(settings)
  const closing = new AbortController()
  const consuming = new Set<Promise<void>>()
  let pulse: Pulse | undefined

  const isConnected = (): boolean => pulse?.isConnected() ?? false

  const publish = (jobs: readonly Job[]): Promise<void> => producer.send(jobs.map((job) => messageOfJob(job, topic)))

  /** A letter that cannot be written does not keep the jobs behind it: the message stays where it is for as long as the topic keeps it. */
  const bury = async (source: Source, why: DeadLetterReason): Promise<void> => {
    const place = { topic: source.topic, partition: source.partition, offset: source.message.offset, ...why }
    logger.warn(place, 'a message goes to the dead letters')
    await producer
      .send([{ topic: deadLettersTopic(settings), ...letterOf(source, why, clock) }])
      .catch((error: unknown) => logger.error({ ...place, err: error }, 'the dead letter was not written'))
  }

  const untilReachable = async (): Promise<void> => {
    const until = clock.monotonic() + startWithinMs
    for (;;) {
      const problem = await checkKafka({ settings, logger, clock, timeoutMs: checkMs })
      if (problem === undefined) return
      if (!problem.mayPass || clock.monotonic() > until || closing.signal.aborted) throw new Unavailable(problem.sentence)
      logger.warn({ reason: problem.sentence }, 'waiting for the brokers')
      await clock.sleep(tryAgainMs, closing.signal).catch(() => undefined)
    }
  }

  return {
    start: async () => {
      await untilReachable()
      const asking = createKafka({ settings, logger, retry: impatient })
      await ensureTopics({ kafka: asking, settings, topics: busTopics(settings), clock, logger })
      pulse = startPulse({ kafka: asking, settings, begins: 'connected', clock, logger })
    },
    connected: isConnected,
    publish,
    consume: (options: ConsumeOptions, handle) => {
      const signal = AbortSignal.any([options.signal, closing.signal])
      const done = consumeJobs({ kafka, settings, clock, logger, publish, bury, isConnected }, { ...options, signal }, handle)
      consuming.add(done)
      return done.finally(() => consuming.delete(done))
    },
    close: async () => {
      closing.abort()
      const otherwise = 'a handler has not returned'
      await within({ clock, ms: closeMs, otherwise }, Promise.all(consuming)).catch(() => undefined)
      pulse?.stop()
      await producer.close()
      givenUp.abort()
    },
  }
}
