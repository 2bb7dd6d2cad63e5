import type { Clock } from '../lib/clock.ts'
import { newId } from '../lib/ids.ts'
import { within } from '../lib/time-limit.ts'
import type { EventLog } from './event-log.ts'

const stream = 'lease-storage-probe'
const actor = { principal: 'system', face: null, address: null }
const answerWithinMs = 2_000

/**
 * Whether the log takes a write at this moment: it writes something that no listing shows. Never rejects. Whoever asks meanwhile is given
 * the same answer.
 */
export const createStorageProbe = ({
  log,
  keepShort,
  clock,
}: {
  readonly log: Pick<EventLog, 'append' | 'probe'>
  /** Lets the log forget all but the newest events of a stream, where it can. Never rejects. */
  readonly keepShort: (stream: string) => Promise<void>
  readonly clock: Clock
}): (() => Promise<boolean>) => {
  let isShort = false
  let underWay: Promise<boolean> | undefined

  const write = async (): Promise<void> => {
    if (log.probe !== undefined) return log.probe()
    const id = newId()
    await log.append(stream, 'any', [{ id, type: 'StorageProbed', data: {}, metadata: { correlationId: id, actor, schema: 1 } }])
    if (isShort) return
    isShort = true
    void keepShort(stream)
  }

  return () => {
    underWay ??= within({ clock, ms: answerWithinMs }, write())
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        underWay = undefined
      })
    return underWay
  }
}
