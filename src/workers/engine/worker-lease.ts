import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import type { Leases } from '../../stores/leases.ts'

/**
 * The one lease that covers everything a worker runs. A worker that was frozen past its lease (a stopped process, a
 * sleeping machine) is believed dead: what it ran belongs to others. It notices by its own clock, lets go and goes on under a
 * new name.
 */
export interface WorkerLease {
  /** The name that attempts are started under. */
  worker(): string
  /** Whether the named worker is this one and its lease has not run out. Asked before anything is recorded. */
  isLive(worker: string): boolean
  /** Resolves when the first lease is held. */
  start(): Promise<void>
  /** Renews it at once: what it takes has changed. */
  announce(): void
  stop(): Promise<void>
}

const renewalsPerLease = 3
/** A renewal that failed is tried again sooner, so that a log that is away for a moment costs no lease. */
const triesPerLease = 12
const nameTailLength = 6

export const createWorkerLease = ({
  name,
  host,
  kinds,
  leases,
  clock,
  leaseMs,
  logger,
  onLapse,
}: {
  readonly name: string
  readonly host: string
  /** What it takes now. */
  readonly kinds: () => readonly string[]
  readonly leases: Leases
  readonly clock: Clock
  readonly leaseMs: number
  readonly logger: Logger
  /** Told the name whose attempts are lost. */
  readonly onLapse: (worker: string) => void
}): WorkerLease => {
  // Each life has a name of its own: a restarted process must not pass for the one that left its attempts behind.
  const newName = (): string => `${name}-${newId().slice(-nameTailLength)}`
  let worker = newName()
  /** 0 while no lease is held. */
  let until = 0
  let isStopped = false
  let cancelTimer: (() => void) | undefined

  const lapseIfOver = (): void => {
    if (until === 0 || clock.monotonic() < until) return
    const lost = worker
    worker = newName()
    until = 0
    logger.warn({ worker: lost, successor: worker }, 'the lease expired: its attempts are dropped')
    onLapse(lost)
    leases.release(lost).catch((error: unknown) => logger.debug({ err: error }, 'the expired lease was not released'))
  }

  const renew = async (): Promise<void> => {
    lapseIfOver()
    const renewed = worker
    const next = clock.monotonic() + leaseMs
    await leases.renew({ worker: renewed, host, kinds: kinds(), until: next })
    // A lease that ran out while it was renewed may have been judged by others already: it is not taken up again.
    lapseIfOver()
    if (renewed === worker && !isStopped) until = next
  }

  let ticking: Promise<void> = Promise.resolve()
  const tick = (): Promise<void> => {
    ticking = ticking.then(renewAndPlan)
    return ticking
  }

  const renewAndPlan = async (): Promise<void> => {
    cancelTimer?.()
    if (isStopped) return
    let pause = leaseMs / renewalsPerLease
    try {
      await renew()
    } catch (error) {
      logger.warn({ err: error, worker }, 'the lease could not be renewed')
      pause = leaseMs / triesPerLease
    }
    if (!isStopped) cancelTimer = clock.after(pause, () => void tick())
  }

  return {
    worker: () => worker,
    isLive: (asked) => {
      lapseIfOver()
      return asked === worker && until !== 0
    },
    start: tick,
    announce: () => void tick(),
    stop: async () => {
      isStopped = true
      until = 0
      cancelTimer?.()
      // A renewal under way would bring the lease back.
      await ticking
      await leases
        .release(worker)
        .catch((error: unknown) => logger.warn({ err: error, worker }, 'the lease was not released; it will expire'))
    },
  }
}
