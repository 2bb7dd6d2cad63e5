import type { Clock } from '../../lib/clock.ts'
import { createPace } from '../../lib/time-slice.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'
import type { Projection } from '../projection.ts'
import type { Generation } from './generation.ts'
import { createSieve } from './kind-filter.ts'
import { stopAt } from './poison-event.ts'

/** How copies of views take events. */
export interface Intake {
  /** Shows an event before any copy takes it; events come in log order. */
  note(event: RecordedEvent): void
  /** Shows many, in slices that let requests in between. */
  noteAll(events: readonly RecordedEvent[]): Promise<void>
  /** Applies what concerns the view and is new to the copy, in slices that let requests in between. Throws `Poisoned`. */
  take(projection: Projection, generation: Generation, events: readonly RecordedEvent[]): Promise<void>
}

export const createIntake = (clock: Clock): Intake => {
  const pace = createPace(clock)
  const sieve = createSieve()
  return {
    note: sieve.note,
    noteAll: async (events) => {
      for (const event of events) {
        sieve.note(event)
        if (pace.enough()) await pace.rest()
      }
    },
    take: async (projection, generation, events) => {
      for (let rest = sieve.concerning(projection, events, generation.position()); rest.length > 0; ) {
        const { done, poison } = generation.apply(rest, pace.enough)
        stopAt(poison)
        rest = rest.slice(done)
        await pace.rest()
      }
    },
  }
}
