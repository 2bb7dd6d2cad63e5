import TinyQueue from 'tinyqueue'

/** Gives its slot back; calling it again does nothing. */
export type Release = () => void

/** Limits the attempts that run at a time. Free slots go to the lowest priority number, then to the earliest arrival. */
export interface Slots {
  /** Undefined once the slots were closed. */
  take(priority: number): Promise<Release | undefined>
  /** Nobody gets a slot any more; those who wait are told. */
  close(): void
}

interface Waiting {
  readonly priority: number
  readonly sequence: number
  readonly resolve: (release: Release | undefined) => void
}

export const createSlots = (count: number): Slots => {
  const waiting = new TinyQueue<Waiting>([], (one, other) => one.priority - other.priority || one.sequence - other.sequence)
  let free = count
  let sequence = 0
  let isClosed = false

  const grant = (): Release => {
    let isHeld = true
    free--
    return () => {
      if (!isHeld) return
      isHeld = false
      free++
      if (free > 0) waiting.pop()?.resolve(grant())
    }
  }

  return {
    take: (priority) => {
      if (isClosed) return Promise.resolve(undefined)
      if (free > 0) return Promise.resolve(grant())
      return new Promise((resolve) => waiting.push({ priority, sequence: sequence++, resolve }))
    },
    close: () => {
      isClosed = true
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) next.resolve(undefined)
    },
  }
}
