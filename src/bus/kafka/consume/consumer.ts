import type { Batch, Kafka } from 'kafkajs'
import type { Logger } from 'pino'
import type { Clock } from '../../../lib/clock.ts'
import { messageOf } from '../../../lib/errors.ts'
import { sha256 } from '../../../lib/ids.ts'
import { within } from '../../../lib/time-limit.ts'
import { type ConsumeOptions, type Job, queueOf } from '../../job-bus.ts'
import { createJobQueue, type JobQueue } from '../../jobs-by-priority.ts'
import { jobsTopic } from '../create-topics.ts'
import type { DeadLetterReason } from '../jobs/dead-letters.ts'
import { jobOfMessage, type Source } from '../jobs/job-messages.ts'
import type { KafkaSettings } from '../settings.ts'
import { joinGroup, type Member } from './group-member.ts'

/**
 * Doorbells that wait in this process; about 5 MB. Where there are more they are dropped: what is not started is rung again every
 * few seconds, so a paused consumer would only gather the same operations over and over behind it, most of them done by others when it
 * gets there.
 */
const queueCap = 10_000
const shortestReplaceMs = 100
const longestReplaceMs = 5_000
/** After a consumer that lived this long, the next one starts with the shortest pause. */
const goodLifeMs = 30_000
const tries = 5
const firstRetryMs = 250
/** What the members of a group that is left are told goes out within this long, or not at all. */
const handOnMs = 1_500

/** Workers that take the same kinds share the jobs; others hear everything too, and the claim in the log decides. */
export const groupOf = ({ topicPrefix }: KafkaSettings, kinds: readonly string[]): string =>
  `${topicPrefix}.workers.${sha256(JSON.stringify([...new Set(kinds)].sort())).slice(0, 12)}`

export interface ConsumerPorts {
  readonly kafka: Kafka
  readonly settings: KafkaSettings
  readonly clock: Clock
  readonly logger: Logger
  readonly publish: (jobs: readonly Job[]) => Promise<void>
  readonly bury: (source: Source, why: DeadLetterReason) => Promise<void>
  readonly isConnected: () => boolean
}

/**
 * Takes part in the group of these kinds until `signal` aborts. Messages are committed a moment after they are in the local queue, so that
 * no work keeps a member from its group; handlers are fed from there. Resolves when the last handler has returned.
 */
export const consumeJobs = async (
  { kafka, settings, clock, logger, publish, bury, isConnected }: ConsumerPorts,
  { kinds, concurrency, beside = [], signal }: ConsumeOptions,
  handle: (job: Job) => Promise<void>,
): Promise<void> => {
  if (signal.aborted) return
  const topic = jobsTopic(settings)
  const groupId = groupOf(settings, kinds)
  const taken = new Set(kinds)
  const queue = createJobQueue({ cap: queueCap })
  const besideQueue = createJobQueue({ cap: queueCap })
  const lineOf = ({ kind }: Job): JobQueue => (beside.includes(queueOf(kind)) ? besideQueue : queue)
  let counted = 0
  const sources = new WeakMap<Job, Source>()
  const failures = new WeakMap<Job, number>()
  const handling = new Set<Job>()
  const retrying = new Map<Job, () => void>()
  let idle: () => void = () => undefined

  const feed = (): void => {
    while (!signal.aborted) {
      const job = besideQueue.pop() ?? (counted < concurrency ? queue.pop() : undefined)
      if (job === undefined) return
      const counts = lineOf(job) === queue ? 1 : 0
      handling.add(job)
      counted += counts
      void handled(job).then(() => {
        handling.delete(job)
        counted -= counts
        idle()
        feed()
      })
    }
  }

  const handled = async (job: Job): Promise<void> => {
    try {
      await handle(job)
    } catch (error) {
      const failed = (failures.get(job) ?? 0) + 1
      failures.set(job, failed)
      const source = sources.get(job)
      if (failed >= tries && source !== undefined) {
        await bury(source, { reason: `handling failed ${failed} times: ${messageOf(error)}`, operationId: job.operationId })
        return
      }
      logger.warn({ err: error, operationId: job.operationId, failed }, 'a job could not be handled; trying again')
      const again = (): void => {
        retrying.delete(job)
        lineOf(job).push(job)
        feed()
      }
      if (!signal.aborted) retrying.set(job, clock.after(firstRetryMs * 2 ** (failed - 1), again))
    }
  }

  const take = async (batch: Batch): Promise<boolean> => {
    if (signal.aborted) return false
    const buried: Promise<void>[] = []
    for (const message of batch.messages) {
      const job = jobOfMessage(message)
      const source = { topic: batch.topic, partition: batch.partition, message }
      if ('reason' in job) buried.push(bury(source, job))
      else if (taken.has(queueOf(job.kind)) && lineOf(job).push(job)) sources.set(job, slim(source))
    }
    feed()
    await Promise.all(buried)
    return true
  }

  const aborted = new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }))
  /** One life after the other, for ever; answers with the one that was cut short by `signal`. */
  const live = async (): Promise<Member | undefined> => {
    for (let waitMs = shortestReplaceMs; !signal.aborted; waitMs = Math.min(2 * waitMs, longestReplaceMs)) {
      const bornAt = clock.monotonic()
      const member = joinGroup({ kafka, settings, topic, groupId, clock, logger, take, isConnected })
      const reason = await Promise.race([member.ended, aborted])
      if (reason === undefined) return member
      if (clock.monotonic() - bornAt > goodLifeMs) waitMs = shortestReplaceMs
      logger.warn({ groupId, reason, waitMs }, 'a consumer ended; a new one starts')
      void member.leave()
      await clock.sleep(waitMs, signal).catch(() => undefined)
    }
    return undefined
  }
  const last = await live()

  // Publish the queued and unclaimed jobs again, so that others start them at once; a duplicate job does no harm.
  const left = [...handling, ...retrying.keys()]
  for (const cancel of retrying.values()) cancel()
  for (const line of [besideQueue, queue]) for (let job = line.pop(); job !== undefined; job = line.pop()) left.push(job)
  const handOn = async (): Promise<void> => {
    const otherwise = 'the brokers did not take them in time'
    await within({ clock, ms: handOnMs, otherwise }, publish(left)).catch((error: unknown) =>
      logger.info({ jobs: left.length, reason: messageOf(error) }, 'jobs that waited here are left for the next sweep'),
    )
  }
  await Promise.all([last?.leave(), handOn()])
  while (handling.size > 0) await new Promise<void>((resolve) => (idle = resolve))
}

/** A message is a window on the whole answer that it came in, which one waiting job must not keep in memory. */
const slim = ({ topic, partition, message }: Source): Source => ({
  topic,
  partition,
  message: {
    ...message,
    key: message.key && Buffer.from(message.key),
    value: message.value && Buffer.from(message.value),
  },
})
