import type { Clock } from '../../lib/clock.ts'
import type { Projections } from '../../projections/projection.ts'

/** Waits for changes of the views, with one listener for all waiting requests. */
export interface Changes {
  /** Asks `look` at once and after each batch that touched one of `streams`, until it answers something or `timeoutMs` are over. */
  until<Found>(
    streams: string | readonly string[],
    look: () => Found | undefined | Promise<Found | undefined>,
    options: {
      readonly timeoutMs: number
      readonly signal?: AbortSignal
      /** Something else that says when to look again; the answer ends it. */
      readonly also?: (ring: () => void) => Promise<() => void>
    },
  ): Promise<Found | undefined>
  close(): void
}

export const createChanges = ({
  projections,
  clock,
}: {
  readonly projections: Pick<Projections, 'onApplied'>
  readonly clock: Clock
}): Changes => {
  const waiting = new Map<string, Set<() => void>>()
  const detach = projections.onApplied((events) => {
    if (waiting.size === 0) return
    for (const { stream } of events) for (const wake of waiting.get(stream) ?? []) wake()
  })
  const join = (stream: string, wake: () => void): (() => void) => {
    const all = waiting.get(stream) ?? new Set()
    waiting.set(stream, all.add(wake))
    return () => {
      all.delete(wake)
      if (all.size === 0 && waiting.get(stream) === all) waiting.delete(stream)
    }
  }
  return {
    close: detach,
    until: async (streams, look, { timeoutMs, signal, also }) => {
      let over = timeoutMs <= 0
      let wake = (): void => {}
      // A change between a look and the wait after it is not missed: it sets the flag that the wait asks first.
      let changed = false
      const ring = (): void => {
        changed = true
        wake()
      }
      const end = (): void => {
        over = true
        wake()
      }
      const leaves = [streams].flat().map((stream) => join(stream, ring))
      const cancelTimer = clock.after(timeoutMs, end)
      signal?.addEventListener('abort', end, { once: true })
      let leaveOther: (() => void) | undefined
      try {
        leaveOther = await also?.(ring)
        for (;;) {
          changed = false
          const found = await look()
          if (found !== undefined || over || signal?.aborted) return found
          if (!changed)
            await new Promise<void>((resolve) => {
              wake = resolve
            })
        }
      } finally {
        for (const leave of leaves) leave()
        leaveOther?.()
        cancelTimer()
        signal?.removeEventListener('abort', end)
      }
    },
  }
}
