/** A worker that says it lives: everything that it runs is leased until `until`, a moment of this process's monotonic clock. */
export interface Lease {
  readonly worker: string
  readonly host: string
  readonly kinds: readonly string[]
  readonly until: number
}

/**
 * One lease per worker covers all of its attempts, so that renewing costs the same for one operation and for thousands. Every
 * adapter passes test/contracts/leases.ts.
 */
export interface Leases {
  /** Resolves when `live` knows the leases of all processes. Before that nobody is told dead. */
  start(): Promise<void>
  /** Throws `Unavailable` where it is unknown whether others will hear of it: renew again. */
  renew(lease: Lease): Promise<void>
  release(worker: string): Promise<void>
  /**
   * Leases that have not run out at `now`, a moment of the monotonic clock. A worker is never believed to live for a shorter time than it believes so itself; for
   * how much longer is up to the adapter.
   */
  live(now: number): readonly Lease[]
  /**
   * Resolves when `live` knows every renewal that was acknowledged to a worker before the call; throws `Unavailable` where that is not to
   * be had. Who finds work of a worker that `live` does not name asks this before it judges: the worker may have begun just now.
   */
  heard(): Promise<void>
  close(): Promise<void>
}
