import type { EventLog, Position, ReadStreamOptions, RecordedEvent } from './event-log.ts'

/**
 * The last event of a stream, or the last that is not after a position; undefined where there is none. One read where the stream has not grown since, else
 * a binary search: revisions have no gaps.
 */
export const lastOfStream = async (log: EventLog, stream: string, upTo?: Position): Promise<RecordedEvent | undefined> => {
  const one = async (options: ReadStreamOptions): Promise<RecordedEvent | undefined> => {
    for await (const event of log.readStream(stream, { ...options, limit: 1 })) return event
    return undefined
  }
  const last = await one({ from: 'end', backwards: true })
  if (last === undefined || upTo === undefined || last.position <= upTo) return last
  let found: RecordedEvent | undefined
  let low = 0
  let high = last.revision
  while (low < high) {
    const middle = (low + high) >>> 1
    const event = await one({ from: middle })
    if (event !== undefined && event.position <= upTo) {
      found = event
      low = middle + 1
    } else high = middle
  }
  return found
}
