/** Works that may run beside each other, and works that run alone; within one process. */
export interface SharedLock {
  /** Runs beside other shared works, and not while one is alone. */
  shared<Result>(work: () => Promise<Result>): Promise<Result>
  /** Waits for the works that are under way, and holds back those that come. */
  alone<Result>(work: () => Promise<Result>): Promise<Result>
}

/** Whoever holds it must not ask for it again. */
export const createSharedLock = (): SharedLock => {
  const underWay = new Set<Promise<unknown>>()
  /** Ends with the last work that asked to be alone. */
  let lastAlone: Promise<void> | undefined
  return {
    shared: async (work) => {
      while (lastAlone !== undefined) await lastAlone
      const running = work()
      underWay.add(running)
      try {
        return await running
      } finally {
        underWay.delete(running)
      }
    },
    alone: async (work) => {
      const before = lastAlone
      const { promise, resolve } = Promise.withResolvers<void>()
      lastAlone = promise
      try {
        await before
        await Promise.allSettled(underWay)
        return await work()
      } finally {
        if (lastAlone === promise) lastAlone = undefined
        resolve()
      }
    },
  }
}
