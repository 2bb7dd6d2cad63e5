import type { Consumer } from 'kafkajs'
import type { Logger } from 'pino'
import type { Clock } from '../../../lib/clock.ts'
import { messageOf } from '../../../lib/errors.ts'

/** Commits what a member has taken, all partitions together, and never while the next messages are waited for. */
export interface OffsetCommits {
  /** Everything of the partition up to `offset` was taken. */
  taken(partition: number, offset: string): void
  /** Whatever waits is not committed: the partitions may be somebody else's now. */
  forget(): void
  /** Commits the waiting offsets at once, and none after that. */
  close(): Promise<void>
}

/**
 * Between two commits. A member that dies has that much heard again by others, which harms nobody. (kafkajs commits each batch before it
 * fetches the next: doorbells wait behind it, and the broker spends about a third more of its processor.)
 */
const commitMs = 100

export const createOffsetCommits = ({
  consumer,
  topic,
  clock,
  logger,
}: {
  readonly consumer: Pick<Consumer, 'commitOffsets'>
  readonly topic: string
  readonly clock: Clock
  readonly logger: Logger
}): OffsetCommits => {
  /** By partition, the offset of the next message. */
  const waiting = new Map<number, string>()
  let cancel: (() => void) | undefined
  let committing = Promise.resolve()
  let isClosed = false

  const commit = async (): Promise<void> => {
    const offsets = [...waiting].map(([partition, offset]) => ({ topic, partition, offset }))
    waiting.clear()
    if (offsets.length === 0) return
    await consumer.commitOffsets(offsets).catch((error: unknown) => {
      // A group that is being shared out anew, a coordinator that moved: later commits cover this one, or the messages come again.
      logger.debug({ topic, reason: messageOf(error) }, 'the offset of the taken messages was not committed')
    })
  }

  const commitInTurn = (): Promise<void> => {
    cancel?.()
    cancel = undefined
    committing = committing.then(commit)
    return committing
  }

  return {
    taken: (partition, offset) => {
      if (isClosed) return
      waiting.set(partition, String(BigInt(offset) + 1n))
      cancel ??= clock.after(commitMs, () => void commitInTurn())
    },
    forget: () => waiting.clear(),
    close: () => {
      isClosed = true
      return commitInTurn()
    },
  }
}
