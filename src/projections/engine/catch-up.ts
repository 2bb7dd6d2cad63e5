import { union } from '../../stores/event-filter.ts'
import { type EventLog, origin, type Position, type RecordedEvent } from '../../stores/event-log.ts'
import type { Projection } from '../projection.ts'
import type { Generation } from './generation.ts'

/** Copies of views that are filled together. One that fails leaves the others alone. */
export interface Copies<Copy> {
  left(): readonly Copy[]
  /** Where the one stands that is furthest behind; the origin where none is left. */
  position(): Position
  /** Does something with each that is left; one that throws is left out from then on. */
  each(work: (copy: Copy) => Promise<void> | void): Promise<void>
}

export const together = <Copy extends { readonly generation: Generation }>(
  copies: readonly Copy[],
  failed: (copy: Copy, error: unknown) => void,
): Copies<Copy> => {
  let left = copies
  return {
    left: () => left,
    position: () => left.map(({ generation }) => generation.position()).sort()[0] ?? origin,
    each: async (work) => {
      for (const copy of left) {
        try {
          await work(copy)
        } catch (error) {
          left = left.filter((other) => other !== copy)
          failed(copy, error)
        }
      }
    },
  }
}

/** A copy of a view that is being filled. */
interface Copy {
  readonly view: { readonly projection: Projection }
  readonly generation: Generation
}

interface Reading<Filled extends Copy> {
  readonly log: EventLog
  /** Hears of each event before the copies do. */
  readonly note: (event: RecordedEvent) => void
  readonly take: (copy: Filled, events: readonly RecordedEvent[]) => Promise<void>
  readonly signal: AbortSignal
}

export const eventsPerChunk = 500

/**
 * Reads what concerns the copies from where the first of them stands, no further than `until`; answers how many events there were.
 * They share what is read: a log of a million events is read and parsed once for all views (26 → 13 µs an event).
 */
export const readInto = async <Filled extends Copy>(
  copies: Copies<Filled>,
  { log, note, take, signal }: Reading<Filled>,
  { until, progress }: { readonly until?: Position; readonly progress?: () => void },
): Promise<number> => {
  let count = 0
  let chunk: RecordedEvent[] = []
  const handOut = async (): Promise<void> => {
    await copies.each((copy) => take(copy, chunk))
    chunk = []
    signal.throwIfAborted()
  }
  const filter = union(copies.left().map(({ view }) => view.projection.filter))
  const options = { after: copies.position(), ...(filter === undefined ? {} : { filter }) }
  for await (const event of log.readAll(options)) {
    if (until !== undefined && event.position > until) break
    count++
    note(event)
    if (chunk.push(event) < eventsPerChunk) continue
    await handOut()
    if (copies.left().length === 0) break
    progress?.()
  }
  await handOut()
  return count
}
