import type { RecordedEvent } from '../event-log.ts'

/** A visible event with its place as a number; everyone who is fed it gets this one object. */
export interface Placed {
  readonly sequence: number
  readonly event: RecordedEvent
  /** Rough memory of the event, characters. */
  readonly size: number
}

export interface TailOptions {
  /** The last position of the log when the tail begins. */
  readonly head: number
  readonly maxEvents: number
  readonly maxSize: number
}

/**
 * The newest committed events, shared by all who follow the log. What falls off the old end is read from disk again: the
 * tail never grows with slow readers, because it does not know them.
 */
export interface Tail {
  head(): number
  /**
   * Takes what was committed: visible events in order, and the positions `from` to `to` that the commit covers (hidden events
   * have positions too). A commit that does not follow on empties the tail, so that nobody is fed over a hole.
   */
  publish(events: readonly Placed[], from: number, to: number): void
  /** The log on disk ends at `position`: it holds a commit that this process did not see acknowledged. */
  skipTo(position: number): void
  /** At most `limit` events after `sequence` up to `upTo`; undefined where the tail does not reach back that far. */
  after(sequence: number, upTo: number, limit: number): readonly Placed[] | undefined
  /** Calls back once, when the head has moved or `wakeAll` is called; the answer takes the call back. */
  onMove(wake: () => void): () => void
  wakeAll(): void
}

export const createTail = ({ head: begin, maxEvents, maxSize }: TailOptions): Tail => {
  let head = begin
  /** Every visible event after this position, up to the head, is kept. */
  let floor = begin
  /**
   * A ring: what falls off is overwritten. In a list that is cut it would hang on dead lists, which the collector of garbage finds
   * late, and be moved about until then.
   */
  const ring: (Placed | undefined)[] = []
  /** Numbers of the oldest kept event and of the next one; the place of an event is its number modulo `maxEvents`. */
  let oldest = 0
  let next = 0
  let size = 0
  let wakes = new Set<() => void>()

  const at = (number: number): Placed => ring[number % maxEvents] as Placed

  const dropOldest = (): void => {
    const { sequence, size: itsSize } = at(oldest)
    ring[oldest % maxEvents] = undefined
    size -= itsSize
    floor = sequence
    oldest += 1
  }

  const keep = (placed: Placed): void => {
    while (oldest < next && (next - oldest >= maxEvents || size + placed.size > maxSize)) dropOldest()
    ring[next % maxEvents] = placed
    next += 1
    size += placed.size
  }

  const wakeAll = (): void => {
    const woken = wakes
    wakes = new Set()
    for (const wake of woken) wake()
  }

  /** Number of the first kept event after `sequence`. */
  const firstAfter = (sequence: number): number => {
    let low = oldest
    let high = next
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (at(middle).sequence <= sequence) low = middle + 1
      else high = middle
    }
    return low
  }

  const skipTo = (position: number): void => {
    if (position <= head) return
    while (oldest < next) dropOldest()
    floor = position
    head = position
    wakeAll()
  }

  return {
    head: () => head,
    skipTo,
    publish: (events, from, to) => {
      if (from !== head + 1) return skipTo(to)
      for (const placed of events) keep(placed)
      head = to
      wakeAll()
    },
    after: (sequence, upTo, limit) => {
      if (sequence < floor) return undefined
      const start = firstAfter(sequence)
      const end = Math.min(upTo >= head ? next : firstAfter(upTo), start + limit)
      return Array.from({ length: end - start }, (_, index) => at(start + index))
    },
    onMove: (wake) => {
      wakes.add(wake)
      return () => wakes.delete(wake)
    },
    wakeAll,
  }
}
