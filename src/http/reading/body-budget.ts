import { createTurns } from '../../lib/event-loop-turns.ts'
import { Problem } from '../replies/problem.ts'

/** So many bytes of every body count for nothing: bodies of usual size are taken however many large ones are in work. */
const freeBytes = 16 * 1024
/** Work on a body of this size, or more, takes turns. */
const largeBytes = 64 * 1024

/** The bytes of all large bodies that have arrived and are not answered yet. A megabyte of small members is ten or more once it is parsed. */
export interface BodyBudget {
  /** Takes room for a body of which `bytes` have arrived by now; throws the problem `overloaded` where there is none. */
  hold(body: HeldBody, bytes: number): void
  /** Gives the room back. */
  release(body: HeldBody): void
  /** Resolves when it is the turn of a body of `bytes`: at once where it is small, else for one body per round of the event loop. */
  turn(bytes: number): Promise<void> | undefined
}

export interface HeldBody {
  heldBytes: number
}

/** One body alone is always taken, whatever `maxBytes` is. */
export const createBodyBudget = (maxBytes: number): BodyBudget => {
  const turns = createTurns()
  let held = 0
  return {
    hold: (body, bytes) => {
      const wanted = Math.max(0, bytes - freeBytes) - body.heldBytes
      if (wanted <= 0) return
      if (held > body.heldBytes && held + wanted > maxBytes)
        throw new Problem('overloaded', `large bodies in work may have ${maxBytes} bytes together`)
      body.heldBytes += wanted
      held += wanted
    },
    release: (body) => {
      held -= body.heldBytes
      body.heldBytes = 0
    },
    turn: (bytes) => (bytes < largeBytes ? undefined : turns()),
  }
}
