import type { Work } from './work.ts'

/** Operations that wait here for their turn; what finds no place is rung for again. */
const mostWaiting = 1_000

/**
 * For kinds whose operations start whatever else runs, because somebody waits for them or slots that others hold may be just what they are to free:
 * at most `mostAtATime` of them in one process. Those that come later wait in order.
 */
export const atOnce = (mostAtATime: number) => {
  const waiting = new Set<string>()
  const starting = new Set<string>()
  const running = new Set<string>()
  let start: (operationId: string) => Promise<boolean> = async () => false

  const next = (): void => {
    for (const id of waiting) {
      if (starting.size + running.size >= mostAtATime) return
      waiting.delete(id)
      starting.add(id)
      start(id)
        .catch(() => undefined)
        // The work begins within the turn in which the claim has succeeded.
        .finally(() => setImmediate(() => leave(starting, id)))
    }
  }
  const leave = (place: Set<string>, id: string): void => {
    place.delete(id)
    next()
  }

  const scheduler: NonNullable<Work['scheduler']> = {
    attach: (given) => {
      start = given
    },
    wake: (id) => {
      if (waiting.size >= mostWaiting || starting.has(id) || running.has(id)) return
      waiting.add(id)
      next()
    },
  }
  const during = async <Result>(id: string, work: () => Promise<Result>): Promise<Result> => {
    running.add(id)
    starting.delete(id)
    try {
      return await work()
    } finally {
      leave(running, id)
    }
  }
  return { scheduler, during }
}
