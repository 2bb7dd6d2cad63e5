import type { Logger } from 'pino'
import type { EventOf } from '../../../events/define.ts'
import { leaseEvents } from '../../../events/lease.ts'
import type { Clock } from '../../../lib/clock.ts'
import { Unavailable } from '../../../lib/errors.ts'
import { within } from '../../../lib/time-limit.ts'
import type { EventLog } from '../../event-log.ts'
import type { Lease, Leases } from '../../leases.ts'
import { type FollowedEvent, followStream } from '../read/follow-stream.ts'
import { keepShort, type LeaseConnection, lastEvent, sayLease } from './lease-stream.ts'

export interface EventStoreDbLeasesOptions {
  readonly connection: LeaseConnection
  readonly log: Pick<EventLog, 'readStream'>
  readonly clock: Clock
  readonly logger: Logger
  /** Other than `lease-workers` for tests that share a server. */
  readonly stream?: string
}

/** The known state of one worker. */
interface Known {
  /** Revision of the worker's last event: an older event that arrives late is ignored. */
  readonly revision: number
  /** Undefined once it is released. */
  readonly lease: Lease | undefined
}

/** A little more than this after a worker's lease ran out, everybody knows it. */
const beatMs = 500
/** A beat that got no answer by then is given up, and the next one tried. */
const beatTimeoutMs = 5_000
const maxAgeSeconds = 3_600
/** Some thousand workers renew that often within one lease. */
const maxCount = 10_000
/**
 * At the start the stream holds an hour of renewals. Who is silent for so much longer than a lease is not taken for alive; it is
 * long enough for clocks of cluster members that stamped them.
 */
const staleMs = 30_000
/** A renewal that hangs must leave time for another before the lease ends. */
const renewalsPerLease = 4
/** At a shutdown: a lease that was not released runs out by itself. */
const releaseMs = 2_000

/**
 * Leases in one stream that everybody follows. Clocks of different machines never meet: a renewal counts from its reception,
 * which is after its sending, so that nobody believes a worker dead before it does so itself.
 *
 * A node that was cut off, slow or frozen has not heard renewals that were made, and must not take that for silence. So `live`
 * does not judge by the present but by the last moment up to which this node is known to have heard everything: twice a second,
 * while some lease has run out, it asks for the last revision of the stream, and once the subscription has come that far, the moment of
 * asking is it. While
 * the log is out of reach nobody dies; when it is back the renewals of the meantime are heard first. (Who could not renew
 * either has let go of its attempts by its own clock, so nobody is owed another lease then.)
 */
export const createEventStoreDbLeases = ({
  connection,
  log,
  clock,
  logger,
  stream = 'lease-workers',
}: EventStoreDbLeasesOptions): Leases => {
  const workers = new Map<string, Known>()
  const closing = new AbortController()
  /** The moment at which leases are judged. Before the first beat, no worker counts as dead. */
  let heardUntil = Number.NEGATIVE_INFINITY
  let seen = -1
  let waiting: { readonly revision: number; resolve(): void } | undefined
  let newest = 0
  /** When the last sign of a worker was stamped, until the start is done. */
  const signs = new Map<string, number>()
  let starting: Promise<void> | undefined

  const say = (event: Heard, ms: number): Promise<number> => sayLease({ connection, stream, event, ms, clock })

  const know = (worker: string, revision: number, lease: Lease | undefined): void => {
    const known = workers.get(worker)
    if (known === undefined || known.revision < revision) workers.set(worker, { revision, lease })
  }

  const hear = ({ revision, type, data, createdAt }: FollowedEvent): void => {
    const event = parse(type, data)
    if (event?.type === 'WorkerRenewed') {
      const { worker, host, kinds, leaseMs } = event.data
      know(worker, revision, { worker, host, kinds, until: clock.monotonic() + leaseMs })
      newest = Math.max(newest, createdAt)
      if (heardUntil < 0) signs.set(worker, createdAt + leaseMs)
    } else if (event?.type === 'WorkerReleased') know(event.data.worker, revision, undefined)
    seen = Math.max(seen, revision)
    if (waiting !== undefined && waiting.revision <= seen) waiting.resolve()
  }

  let beating: Promise<void> = Promise.resolve()
  /** Beats run one at a time: a caller during a beat waits for one that starts later. */
  const beat = (): Promise<void> => {
    const done = beating.then(listen)
    beating = done.catch(() => undefined)
    return done
  }

  /** Asks how far the stream goes and waits until everything up to there has been heard. */
  const listen = async (): Promise<void> => {
    const askedAt = clock.monotonic()
    const last = await within({ clock, ms: beatTimeoutMs }, lastEvent(log, stream))
    const revision = last?.revision ?? -1
    if (revision > seen) {
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting = { revision, resolve }
      await within({ clock, ms: beatTimeoutMs }, promise).finally(() => {
        waiting = undefined
      })
    }
    heardUntil = askedAt
  }

  /** Who was silent long before the others spoke last is gone, and so is what needs no remembering. */
  const tidy = (): void => {
    for (const [worker, until] of signs) if (newest > until + staleMs) workers.delete(worker)
    signs.clear()
    for (const [worker, { revision, lease }] of workers)
      if (revision <= seen && (lease === undefined || lease.until <= heardUntil)) workers.delete(worker)
  }

  /** While all workers renew in time, no lease has to be judged and the server is not asked. */
  const isAnybodyOver = (): boolean => {
    const now = clock.monotonic()
    for (const { lease } of workers.values()) if (lease === undefined || lease.until <= now) return true
    return false
  }

  const keepBeating = async (first: () => void): Promise<void> => {
    while (!closing.signal.aborted) {
      try {
        if (heardUntil < 0 || isAnybodyOver()) {
          await beat()
          tidy()
          first()
        }
      } catch (error) {
        logger.debug({ err: error }, 'the leases of other workers cannot be read; no worker counts as dead until they can')
      }
      await new Promise<void>((resolve) => {
        const cancel = clock.after(beatMs, () => {
          closing.signal.removeEventListener('abort', end)
          resolve()
        })
        const end = (): void => {
          cancel()
          resolve()
        }
        closing.signal.addEventListener('abort', end, { once: true })
      })
    }
  }

  return {
    start: () => {
      starting ??= new Promise((resolve, reject) => {
        closing.signal.addEventListener('abort', () => reject(new Unavailable('the leases are closed')), { once: true })
        void keepShort({ connection, stream, logger, metadata: { maxAge: maxAgeSeconds, maxCount } })
        followStream({ connection, stream, clock, logger, signal: closing.signal, onEvent: hear })
        void keepBeating(resolve)
      })
      return starting
    },
    renew: async (lease) => {
      const { worker, host, kinds, until } = lease
      const leaseMs = Math.ceil(until - clock.monotonic())
      if (leaseMs <= 0) return
      const revision = await say(
        { type: 'WorkerRenewed', data: { worker, host, kinds: [...kinds], leaseMs } },
        leaseMs / renewalsPerLease,
      )
      know(worker, revision, lease)
    },
    release: async (worker) => {
      const revision = await say({ type: 'WorkerReleased', data: { worker } }, releaseMs)
      know(worker, revision, undefined)
    },
    live: (now) => {
      const live: Lease[] = []
      for (const { lease } of workers.values()) {
        if (lease === undefined || lease.until <= Math.min(now, heardUntil)) continue
        // It has expired by the clock, but a renewal may still be on its way: look again at the next beat.
        live.push(lease.until > now ? lease : { ...lease, until: now + beatMs })
      }
      return live
    },
    heard: beat,
    close: async () => closing.abort(),
  }
}

type Heard = Extract<EventOf<typeof leaseEvents>, { type: 'WorkerRenewed' | 'WorkerReleased' }>

/** Undefined for events of another form; a later release may write more. */
const parse = (type: string, data: unknown): Heard | undefined => {
  if (type !== 'WorkerRenewed' && type !== 'WorkerReleased') return undefined
  const parsed = leaseEvents.schemas[type].safeParse(data)
  return parsed.success ? ({ type, data: parsed.data } as Heard) : undefined
}
