import type { Clock } from '../../lib/clock.ts'
import type { Leases } from '../../stores/leases.ts'

/** An attempt that has begun and has no outcome. */
export interface Active {
  readonly id: string
  readonly attempt: number
}

/** Finds the attempts whose worker has no live lease. They are lost: the supervisor ends them, and the policy says what follows. */
export const createLostAttempts =
  ({
    queries,
    leases,
    clock,
  }: {
    readonly queries: {
      /** Active attempts of workers that are not among `live`. */
      orphans(live: readonly string[]): readonly Active[]
    }
    readonly leases: Pick<Leases, 'live' | 'heard'>
    readonly clock: Clock
  }): (() => Promise<readonly Active[]>) =>
  async () => {
    const withoutLease = (): readonly Active[] => queries.orphans(leases.live(clock.monotonic()).map(({ worker }) => worker))
    const suspects = withoutLease()
    if (suspects.length === 0) return suspects
    // The view may know of a worker's first attempt before the leases know the worker: suspects are looked at twice.
    await leases.heard()
    const keyOf = ({ id, attempt }: Active): string => `${id} ${attempt}`
    const confirmed = new Set(withoutLease().map(keyOf))
    return suspects.filter((suspect) => confirmed.has(keyOf(suspect)))
  }
