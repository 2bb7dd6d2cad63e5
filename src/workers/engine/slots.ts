import TinyQueue from 'tinyqueue'

/** Gives its slot back; calling it again does nothing. */
export type Release = () => void

/** Limits the attempts that run at a time. Free slots go to the lowest priority number, then to the earliest arrival. */
export interface Slots {
  /** Undefined once the slots were closed, or `signal` was aborted before there was one. */
  take(priority: number, signal?: AbortSignal): Promise<Release | undefined>
  /** Nobody gets a slot any more; those who wait are told. */
  close(): void
}

interface Waiting {
  readonly priority: number
  readonly sequence: number
  hasLeft: boolean
  readonly resolve: (release: Release | undefined) => void
}

export const createSlots = (count: number): Slots => {
  const waiting = new TinyQueue<Waiting>([], (one, other) => one.priority - other.priority || one.sequence - other.sequence)
  let free = count
  let sequence = 0
  let isClosed = false

  const next = (): Waiting | undefined => {
    let one = waiting.pop()
    while (one?.hasLeft) one = waiting.pop()
    return one
  }

  const grant = (): Release => {
    let isHeld = true
    free--
    return () => {
      if (!isHeld) return
      isHeld = false
      free++
      if (free > 0) next()?.resolve(grant())
    }
  }

  return {
    take: (priority, signal) => {
      if (isClosed || signal?.aborted) return Promise.resolve(undefined)
      if (free > 0) return Promise.resolve(grant())
      const { promise, resolve } = Promise.withResolvers<Release | undefined>()
      const leave = (): void => {
        one.hasLeft = true
        resolve(undefined)
      }
      const one: Waiting = {
        priority,
        sequence: sequence++,
        hasLeft: false,
        resolve: (release) => {
          signal?.removeEventListener('abort', leave)
          resolve(release)
        },
      }
      signal?.addEventListener('abort', leave, { once: true })
      waiting.push(one)
      return promise
    },
    close: () => {
      isClosed = true
      for (let one = next(); one !== undefined; one = next()) one.resolve(undefined)
    },
  }
}
