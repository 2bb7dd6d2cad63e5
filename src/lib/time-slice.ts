import type { Clock } from './clock.ts'

/** Shares the event loop: long folds stop now and then and let requests in between. */
export interface Pace {
  /** Whether the running turn has lasted long enough. */
  enough(): boolean
  /** Lets everything that waits have its turn, if this one has lasted long enough. */
  rest(): Promise<void>
}

const turnMs = 10
/** Looking at the clock costs more than a small event; a turn looks after 1, 2, 4, 8 and 16 events first, because some hold a megabyte. */
const eventsPerLook = 16
/** A bound for clocks that stand still. */
const eventsPerTurn = 2000

export const createPace = (clock: Clock): Pace => {
  let began = clock.monotonic()
  let events = 0
  let nextLook = 1
  let over = false
  return {
    enough: () => {
      events++
      if (events < nextLook) return over
      nextLook = events + Math.min(events, eventsPerLook)
      over = events >= eventsPerTurn || clock.monotonic() - began >= turnMs
      return over
    },
    rest: async () => {
      if (!over && clock.monotonic() - began < turnMs) return
      await nextTurn()
      began = clock.monotonic()
      events = 0
      nextLook = 1
      over = false
    },
  }
}

/** Resolves after everything that is due on the event loop. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
