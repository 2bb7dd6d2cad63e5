/** A worker that says it lives: everything that it runs is leased until `until` (milliseconds since the epoch). */
export interface Lease {
  readonly worker: string
  readonly host: string
  readonly kinds: readonly string[]
  readonly until: number
}

/** One lease per worker covers all of its attempts, so that renewing costs the same for one operation and for thousands. */
export interface Leases {
  renew(lease: Lease): Promise<void>
  release(worker: string): Promise<void>
  /** Leases that have not run out at `now`. */
  live(now: number): readonly Lease[]
}

/** Leases of one process: they end with it, which is right, because its workers do too. */
export const createLocalLeases = (): Leases => {
  const held = new Map<string, Lease>()
  return {
    renew: async (lease) => {
      held.set(lease.worker, lease)
    },
    release: async (worker) => {
      held.delete(worker)
    },
    live: (now) => [...held.values()].filter(({ until }) => until > now),
  }
}
