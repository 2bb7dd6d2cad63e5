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
  /** The disk turned out to reach to `position`: a commit was made of which nobody here was told. */
  skipTo(position: number): void
  /** At most `limit` events after `sequence` up to `upTo`; undefined where the tail does not reach back that far. */
  after(sequence: number, upTo: number, limit: number): readonly Placed[] | undefined
  /** Calls back once, when the head has moved or `wakeAll` is called; the answer takes the call back. */
  onMove(wake: () => void): () => void
  wakeAll(): void
}

export const createTail = ({ head: begin, maxEvents, maxSize }: TailOptions): Tail => {
  let head = begin
  /** Every visible event after this position, up to the head, is in `kept`. */
  let floor = begin
  let kept: Placed[] = []
  let size = 0
  let wakes = new Set<() => void>()

  /** Drops the older half: seldom, so that it costs next to nothing per event. */
  const shrink = (): void => {
    let drop = 0
    while (drop < kept.length && (kept.length - drop > maxEvents / 2 || size > maxSize / 2)) {
      size -= kept[drop]?.size ?? 0
      drop += 1
    }
    floor = kept[drop - 1]?.sequence ?? floor
    kept = kept.slice(drop)
  }

  const wakeAll = (): void => {
    const woken = wakes
    wakes = new Set()
    for (const wake of woken) wake()
  }

  /** Index of the first kept event after `sequence`. */
  const indexAfter = (sequence: number): number => {
    let low = 0
    let high = kept.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((kept[middle] as Placed).sequence <= sequence) low = middle + 1
      else high = middle
    }
    return low
  }

  const skipTo = (position: number): void => {
    if (position <= head) return
    kept = []
    size = 0
    floor = position
    head = position
    wakeAll()
  }

  return {
    head: () => head,
    skipTo,
    publish: (events, from, to) => {
      if (from !== head + 1) return skipTo(to)
      for (const placed of events) {
        kept.push(placed)
        size += placed.size
      }
      head = to
      if (kept.length > maxEvents || size > maxSize) shrink()
      wakeAll()
    },
    after: (sequence, upTo, limit) => {
      if (sequence < floor) return undefined
      const start = indexAfter(sequence)
      const end = upTo >= head ? kept.length : indexAfter(upTo)
      return kept.slice(start, Math.min(end, start + limit))
    },
    onMove: (wake) => {
      wakes.add(wake)
      return () => wakes.delete(wake)
    },
    wakeAll,
  }
}
