import type { Position, RecordedEvent } from '../stores/event-log.ts'
import { matches } from '../stores/matches.ts'
import type { Projection } from './projection.ts'

/** Tells which events concern a view before it is asked to apply them. */
export interface Sieve {
  /** Shows it events in log order, each before the views see it: it remembers of what kind operations are. */
  note(event: RecordedEvent): void
  /** Those of some events behind `after` that concern a view, and those of which that is not known. */
  concerning(projection: Projection, events: readonly RecordedEvent[], after: Position): readonly RecordedEvent[]
}

/** Twice as many operations are remembered at most. */
const operationsPerAge = 10_000
const operationPrefix = 'operation-'

/**
 * The kind of an operation stands in its first event alone and never changes, so that what was once noted is true for every view,
 * wherever it stands. Without the kinds an operation of any kind costs every crawling view a few statements that change nothing
 * (measured: 10 µs an operation for the three of them).
 */
export const createSieve = (): Sieve => {
  // Two ages instead of one map that forgets its first entry: that costs a search through all that were forgotten before.
  let young = new Map<string, string>()
  let old = young

  const note = ({ stream, type, data }: RecordedEvent): void => {
    if (type !== 'OperationRequested' || typeof data.kind !== 'string') return
    young.set(stream, data.kind)
    if (young.size < operationsPerAge) return
    old = young
    young = new Map()
  }

  /** Neighbours are of one kind more often than not: what was found out of a kind is kept for the next event. */
  const concerning = ({ filter, kinds }: Projection, events: readonly RecordedEvent[], after: Position): RecordedEvent[] => {
    const found: RecordedEvent[] = []
    let asked: string | undefined
    let wanted = true
    for (const event of events) {
      if (event.position <= after) continue
      if (kinds !== undefined && event.stream.startsWith(operationPrefix)) {
        const kind = young.get(event.stream) ?? old.get(event.stream)
        if (kind !== asked) {
          asked = kind
          wanted = kind === undefined || kinds.some((prefix) => kind.startsWith(prefix))
        }
        if (!wanted) continue
      }
      if (matches(filter, event)) found.push(event)
    }
    return found
  }

  return { note, concerning }
}
