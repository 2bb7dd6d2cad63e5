import type { Logger } from 'pino'
import type { Clock } from '../../../lib/clock.ts'
import { messageOf, Unavailable } from '../../../lib/errors.ts'
import { within } from '../../../lib/time-limit.ts'
import type { ConsumeOptions, Job, JobBus } from '../../job-bus.ts'
import { type Pulse, startPulse } from '../broker-health.ts'
import { createKafka, endless, impatient } from '../client.ts'
import { consumeJobs } from '../consume/consumer.ts'
import { busTopics, deadLettersTopic, ensureTopics, jobsTopic } from '../create-topics.ts'
import { createGatheringProducer } from '../produce/batching-producer.ts'
import type { KafkaSettings } from '../settings.ts'
import { checkKafka, type Problem, whatIsWrong } from '../startup-check.ts'
import { type DeadLetterReason, letterOf } from './dead-letters.ts'
import { messageOfJob, type Source } from './job-messages.ts'

export interface KafkaBus extends JobBus {
  /**
   * Resolves when the brokers answer and the topics are there, or when it is known that they are away: they are waited for behind it, for as
   * long as it takes. Until then `publish` rejects and `consume` hears nothing. Rejects with `Unavailable` where waiting cannot help, such as
   * for a wrong password; its message is one sentence that says what is wrong, never with a secret.
   */
  start(): Promise<void>
  /** Whether the brokers answered when they were last asked, two seconds ago at most and as long an answer may take. */
  connected(): boolean
}

const checkMs = 5_000
const tryAgainMs = 1_000
const closeMs = 3_000

/** The job bus on Kafka: each job reaches one worker of every group of workers with the same kinds. */
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
  const ready = Promise.withResolvers<void>()
  let waiting: Promise<void> = Promise.resolve()

  const isConnected = (): boolean => pulse?.isConnected() ?? false

  const publish = async (jobs: readonly Job[]): Promise<void> => {
    // Whatever is not told now is told by the supervisor once they answer.
    if (pulse === undefined) throw new Unavailable(`no broker has answered yet at ${settings.brokers.join(',')}`)
    await producer.send(jobs.map((job) => messageOfJob(job, topic)))
  }

  /** A dead letter that cannot be written does not block later jobs; the message stays in its topic until the retention ends. */
  const bury = async (source: Source, why: DeadLetterReason): Promise<void> => {
    const place = { topic: source.topic, partition: source.partition, offset: source.message.offset, ...why }
    logger.warn(place, 'a message goes to the dead letters')
    await producer
      .send([{ topic: deadLettersTopic(settings), ...letterOf(source, why, clock) }])
      .catch((error: unknown) => logger.error({ ...place, err: error }, 'the dead letter was not written'))
  }

  /** Undefined once the bus can be used. */
  const prepare = async (): Promise<Problem | undefined> => {
    const problem = await checkKafka({ settings, logger, clock, timeoutMs: checkMs })
    if (problem !== undefined || closing.signal.aborted) return problem
    const asking = createKafka({ settings, logger, retry: impatient })
    try {
      await ensureTopics({ kafka: asking, settings, topics: busTopics(settings), clock, logger })
    } catch (error) {
      return { ...whatIsWrong((error as Error).cause ?? error, settings), sentence: messageOf(error) }
    }
    pulse = startPulse({ kafka: asking, settings, begins: 'connected', clock, logger })
    ready.resolve()
    return undefined
  }

  const waitForBrokers = async (first: Problem): Promise<void> => {
    let told: string | undefined
    for (let problem: Problem | undefined = first; problem !== undefined; problem = await prepare()) {
      if (problem.sentence !== told) logger.warn({ reason: problem.sentence }, 'waiting for the brokers')
      told = problem.sentence
      await clock.sleep(tryAgainMs, closing.signal).catch(() => undefined)
      if (closing.signal.aborted) return
    }
    logger.info('the brokers answer')
  }

  return {
    start: async () => {
      const problem = await prepare()
      if (problem === undefined) return
      if (!problem.mayPass) throw new Unavailable(problem.sentence)
      waiting = waitForBrokers(problem).catch((error: unknown) =>
        logger.error({ err: error }, 'the check for reachable brokers ended'),
      )
    },
    connected: isConnected,
    publish,
    consume: (options: ConsumeOptions, handle) => {
      const signal = AbortSignal.any([options.signal, closing.signal])
      const begins = Promise.race([
        ready.promise,
        new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true })),
      ])
      const done = begins.then(() =>
        consumeJobs({ kafka, settings, clock, logger, publish, bury, isConnected }, { ...options, signal }, handle),
      )
      consuming.add(done)
      return done.finally(() => consuming.delete(done))
    },
    close: async () => {
      closing.abort()
      const otherwise = 'a handler has not returned'
      await within({ clock, ms: closeMs, otherwise }, Promise.all([waiting, ...consuming])).catch(() => undefined)
      pulse?.stop()
      await producer.close()
      givenUp.abort()
    },
  }
}
