import type { Clock } from '../../lib/clock.ts'

/** Those who wait for something that only events can bring about: looked at when something happened, never polled. */
export interface Waiters {
  /** Asks `test` now and whenever something happened; undefined means "not yet". False after `timeoutMs` milliseconds. */
  until(test: () => boolean | undefined, timeoutMs: number): Promise<boolean>
  /** Something happened. */
  look(): void
  /** Nothing will happen any more: everyone is answered false. */
  end(): void
}

export const createWaiters = (clock: Clock): Waiters => {
  const waiting = new Set<{ readonly test: () => boolean | undefined; readonly settle: (answer: boolean) => void }>()
  let ended = false
  return {
    until: (test, timeoutMs) => {
      const answer = test() ?? (ended ? false : undefined)
      if (answer !== undefined) return Promise.resolve(answer)
      return new Promise((resolve) => {
        const waiter = {
          test,
          settle: (answer: boolean) => {
            waiting.delete(waiter)
            cancel()
            resolve(answer)
          },
        }
        waiting.add(waiter)
        const cancel = clock.after(timeoutMs, () => waiter.settle(false))
      })
    },
    look: () => {
      for (const waiter of waiting) {
        const answer = waiter.test()
        if (answer !== undefined) waiter.settle(answer)
      }
    },
    end: () => {
      ended = true
      for (const waiter of waiting) waiter.settle(false)
    },
  }
}
