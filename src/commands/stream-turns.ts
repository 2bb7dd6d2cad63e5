import type { Clock } from '../lib/clock.ts'
import { Unavailable } from '../lib/errors.ts'

/** Runs the work of one key one after the other, in the order of the calls; works of different keys do not wait for each other. */
export type TakeTurn = <Result>(key: string, work: () => Promise<Result>) => Promise<Result>

/** A call that waited this long behind unanswered calls fails now; otherwise each call of a long queue would wait as long again. */
const longestWaitMs = 10_000

interface Waiting {
  readonly since: number
  /** `after` is what the work before this one failed with, where the log did not answer it. */
  begin(after: Unavailable | undefined): void
}

/** Turns of one process. An idle key has no entry, and its work begins at once. */
export const createTurns = (clock: Clock): TakeTurn => {
  /** Busy keys and their waiting callers; undefined if none waits yet. */
  const queues = new Map<string, Waiting[] | undefined>()

  const turnOf = (key: string): Promise<Unavailable | undefined> =>
    new Promise((begin) => {
      const waiting = { since: clock.monotonic(), begin }
      const queue = queues.get(key)
      if (queue === undefined) queues.set(key, [waiting])
      else queue.push(waiting)
    })

  const pass = (key: string, failure: Unavailable | undefined): void => {
    const next = queues.get(key)?.shift()
    if (next === undefined) queues.delete(key)
    else next.begin(failure !== undefined && clock.monotonic() - next.since >= longestWaitMs ? failure : undefined)
  }

  return async (key, work) => {
    let failure: Unavailable | undefined
    if (queues.has(key)) failure = await turnOf(key)
    else queues.set(key, undefined)
    try {
      if (failure !== undefined) throw new Unavailable(`an earlier command on this stream failed: ${failure.message}`)
      return await work()
    } catch (error) {
      failure = error instanceof Unavailable ? error : undefined
      throw error
    } finally {
      pass(key, failure)
    }
  }
}
