import type { Clock } from '../../../lib/clock.ts'
import type { AppendRequest } from '../../encode-append.ts'
import type { EventStoreDbConnection } from '../client.ts'
import { type Appender, longestInBatch } from './append.ts'
import { createBatchAppender } from './batch-append.ts'

/** Pending appends at a time. If the server fails, this many have an unknown outcome. */
const underWay = 64

/** Appends to many streams, which reach the log in the order in which they are given. */
export interface OrderedAppender {
  /** Rejects with what the first append that fails is refused for. */
  append(requests: readonly AppendRequest[]): Promise<void>
  close(): void
}

/**
 * A server writes what comes over one call in the order in which it came, so the next append need not wait for the answer to the one before.
 * Where one fails, those under way are waited for, and everything from the failed one on is appended again, one after the other: what was
 * written already is recognised.
 */
export const createOrderedAppender = ({
  connection,
  appender,
  answerWithinMs,
  clock,
}: {
  readonly connection: EventStoreDbConnection
  readonly appender: Pick<Appender, 'append'>
  readonly answerWithinMs: number
  readonly clock: Clock
}): OrderedAppender => {
  const batch = createBatchAppender({ connection, answerWithinMs, clock })

  /** All at once over one call; answers with the index of the first that failed. */
  const together = async (requests: readonly AppendRequest[]): Promise<number> => {
    const outcomes = await Promise.allSettled(
      requests.map((request) => batch.append(request, expectedOf(request) ?? 'no_stream')),
    )
    const failed = outcomes.findIndex(({ status }) => status === 'rejected')
    return failed < 0 ? requests.length : failed
  }

  return {
    append: async (requests) => {
      for (let next = 0; next < requests.length; ) {
        const rest = requests.slice(next, next + underWay)
        const alone = rest.findIndex((request) => request.size > longestInBatch || expectedOf(request) === undefined)
        const run = alone < 0 ? rest : rest.slice(0, alone)
        const done = await together(run)
        for (const request of run.slice(done)) await appender.append(request)
        next += run.length
        const single = alone < 0 ? undefined : rest[alone]
        if (single === undefined) continue
        await appender.append(single)
        next += 1
      }
    },
    close: () => batch.close(),
  }
}

/** Undefined where the stream has to be read first. */
const expectedOf = ({ expected }: AppendRequest): bigint | 'no_stream' | undefined =>
  typeof expected === 'number' ? BigInt(expected) : expected === 'noStream' ? 'no_stream' : undefined
