import { type Clock, instant } from '../../../lib/clock.ts'
import { messageOf, RevisionConflict, Unavailable } from '../../../lib/errors.ts'
import { type Appended, origin } from '../../event-log.ts'
import { isHidden } from '../../hidden-streams.ts'
import type { Placed, Tail } from '../newest-events.ts'
import { toPosition } from '../positions.ts'
import { place } from '../reader.ts'
import type { WriteRequest, WriteResult } from './write-requests.ts'
import type { WriterPort } from './writer-port.ts'

/** What one transaction takes at most. */
const batchRequests = 4096
const batchSize = 8 * 1024 * 1024
/** Characters that may wait for the disk; beyond it the disk is hopelessly behind and new appends are refused. */
const waitingSize = 256 * 1024 * 1024

/** Counts since the log was opened. */
export interface CommitMetrics {
  readonly commits: number
  readonly appends: number
  readonly events: number
  readonly conflicts: number
  readonly repetitions: number
  readonly failures: number
  readonly largestBatch: number
  /** Requests that are not sent to the writer yet. */
  readonly waiting: number
  /** Why the last write failed; undefined since one succeeded. */
  readonly failing: string | undefined
}

/** The group commit: gathers what arrives while a batch is on its way and sends it as the next one. */
export interface Commits {
  submit(request: WriteRequest): Promise<Appended>
  metrics(): CommitMetrics
  /** Takes nothing more; resolves when everything that was taken has its answer. */
  drain(): Promise<void>
}

interface Waiting {
  readonly request: WriteRequest
  resolve(appended: Appended): void
  reject(error: Error): void
}

export const createCommits = ({
  port,
  tail,
  clock,
  walGrown,
}: {
  readonly port: WriterPort
  readonly tail: Tail
  readonly clock: Clock
  readonly walGrown: () => void
}): Commits => {
  let queue: Waiting[] = []
  let queuedSize = 0
  let busy = false
  let closing = false
  const drained: (() => void)[] = []
  let failing: string | undefined
  const counts = { commits: 0, appends: 0, events: 0, conflicts: 0, repetitions: 0, failures: 0, largestBatch: 0 }

  const take = (): Waiting[] => {
    let count = 0
    let size = 0
    while (count < queue.length && count < batchRequests && (count === 0 || size < batchSize)) {
      size += queue[count]?.request.size ?? 0
      count += 1
    }
    const batch = count === queue.length ? queue : queue.slice(0, count)
    queue = count === queue.length ? [] : queue.slice(count)
    queuedSize -= size
    return batch
  }

  const send = async (): Promise<void> => {
    const batch = take()
    const recordedAt = clock.now()
    try {
      const {
        results,
        last,
        walGrown: hasGrown,
      } = await port.write({ recordedAt, requests: batch.map(({ request }) => request) })
      publish(batch, results, instant(recordedAt))
      tail.skipTo(last)
      if (hasGrown) walGrown()
      counts.commits += 1
      counts.largestBatch = Math.max(counts.largestBatch, batch.length)
      batch.forEach((waiting, index) => {
        settle(waiting, results[index])
      })
    } catch (error) {
      counts.failures += batch.length
      failing = messageOf(error)
      const unknown = error instanceof Unavailable ? error : new Unavailable(messageOf(error))
      for (const { reject } of batch) reject(unknown)
    }
    busy = false
    if (queue.length > 0) schedule()
    else for (const resolve of drained.splice(0)) resolve()
  }

  /**
   * Not at once, but after the callbacks that are due already: requests of the same moment, and the next appends of callers
   * who were just answered, share a flush.
   */
  const schedule = (): void => {
    if (busy) return
    busy = true
    setImmediate(() => void send())
  }

  /** Publish to the tail before resolving the appends, so that a caller can read its own write. */
  const publish = (batch: readonly Waiting[], results: readonly WriteResult[], recordedAt: string): void => {
    const placed: Placed[] = []
    let from: number | undefined
    let to = 0
    batch.forEach(({ request }, index) => {
      const result = results[index]
      if (request.kind !== 'append' || result?.done !== 'appended') return
      const { stream, events } = request
      const before = result.position - events.length
      from ??= before + 1
      to = result.position
      counts.events += events.length
      if (isHidden(stream)) return
      events.forEach((event, at) => {
        const revision = result.revision - events.length + 1 + at
        placed.push(place(event, { stream, revision, sequence: before + 1 + at, recordedAt }))
      })
    })
    if (from !== undefined) tail.publish(placed, from, to)
  }

  const settle = ({ request, resolve, reject }: Waiting, result: WriteResult | undefined): void => {
    // A conflict is found without a write.
    if (result?.done !== 'failed' && result?.done !== 'conflict') failing = undefined
    switch (result?.done) {
      case 'appended':
      case 'repeated':
        counts[result.done === 'appended' ? 'appends' : 'repetitions'] += 1
        resolve({ revision: result.revision, position: toPosition(result.position) })
        break
      case 'forgotten':
        resolve({ revision: -1, position: origin })
        break
      case 'conflict':
        counts.conflicts += 1
        reject(new RevisionConflict(request.stream, request.kind === 'append' ? request.expected : 'any', result.actual))
        break
      default:
        counts.failures += 1
        failing = result?.message ?? 'no answer'
        reject(new Unavailable(`the log cannot be written: ${failing}`))
    }
  }

  return {
    submit: (request) =>
      new Promise((resolve, reject) => {
        if (closing) return reject(new Unavailable('the log is closed'))
        if (queuedSize > waitingSize) return reject(new Unavailable('too much is waiting to be written to the log'))
        queue.push({ request, resolve, reject })
        queuedSize += request.size
        schedule()
      }),
    metrics: () => ({ ...counts, waiting: queue.length, failing }),
    drain: () => {
      closing = true
      return busy ? new Promise((resolve) => drained.push(resolve)) : Promise.resolve()
    },
  }
}
