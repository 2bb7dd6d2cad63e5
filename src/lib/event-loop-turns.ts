/**
 * Resolves for one caller per round of the event loop, in the order in which they asked: many long reads at a time slow each other
 * down, and nobody else.
 */
export const createTurns = (): (() => Promise<void>) => {
  const waiting: (() => void)[] = []
  const next = (): void => {
    waiting.shift()?.()
    if (waiting.length > 0) setImmediate(next)
  }
  return () =>
    new Promise((resolve) => {
      // An earlier waiter has already scheduled the next round.
      if (waiting.push(resolve) === 1) setImmediate(next)
    })
}
