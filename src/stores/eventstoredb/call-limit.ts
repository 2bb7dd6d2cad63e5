/** Limits the number of calls that run at a time; the others wait in order. */
export interface CallLimit {
  run<Result>(call: () => Promise<Result>): Promise<Result>
}

/**
 * One connection carries 100 calls, shared by everything in the process that talks to that address; one more call waits unseen in the
 * client, and behind calls that stay open it waits for ever. So each kind of call has its own share, and waits here.
 */
export const createCallLimit = (most: number): CallLimit => {
  const waiting: (() => void)[] = []
  let running = 0
  const release = (): void => {
    const next = waiting.shift()
    if (next === undefined) running -= 1
    else next()
  }
  return {
    run: async (call) => {
      if (running < most) running += 1
      else await new Promise<void>((resolve) => waiting.push(resolve))
      try {
        return await call()
      } finally {
        release()
      }
    },
  }
}
