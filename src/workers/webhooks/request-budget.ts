/** Requests of all webhooks at a time. Every webhook may have one, so that no other can keep it from delivering. */
export interface RequestBudget {
  /** Whether a webhook that has `own` requests under way may begin another one; it is counted then. */
  take(own: number): boolean
  release(): void
  /** Calls back whenever there is room again; the answer ends it. */
  onRoom(listener: () => void): () => void
}

export const createRequestBudget = (most: number): RequestBudget => {
  const listeners = new Set<() => void>()
  let used = 0
  return {
    take: (own) => {
      if (used >= most && own > 0) return false
      used++
      return true
    },
    release: () => {
      used--
      if (used === most - 1) for (const listener of listeners) listener()
    },
    onRoom: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
