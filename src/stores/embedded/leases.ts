import type { Lease, Leases } from '../leases.ts'

/** Leases of one process: they end with it, which is right, because its workers do too. */
export const createLocalLeases = (): Leases => {
  const held = new Map<string, Lease>()
  return {
    start: async () => {},
    renew: async (lease) => {
      held.set(lease.worker, lease)
    },
    release: async (worker) => {
      held.delete(worker)
    },
    live: (now) => [...held.values()].filter(({ until }) => until > now),
    heard: async () => {},
    close: async () => {},
  }
}
