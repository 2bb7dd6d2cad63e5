import type { Logger } from 'pino'
import type { Clock } from '../../../lib/clock.ts'
import type { Leases } from '../../../stores/leases.ts'

/** What a server that answers the face's requests says that it does; no work has this kind. */
const serverKind = 'http.crawling'
/** So long a server is counted after its last sign of life. Source: crawling contract, section 5.6. */
const lifeMs = 120_000
const beatsPerLife = 4
const againMs = 2_000

/** A server process: `id` is what its index shows as `my_id`. */
export interface ServerNode {
  readonly id: string
  readonly host: string
}

/** Lets the statistics of all processes name this server while it runs. It leases nothing: a server without workers beats too. */
export const createHeartbeat = ({
  leases,
  clock,
  logger,
  node: { id, host },
}: {
  readonly leases: Pick<Leases, 'renew' | 'release'>
  readonly clock: Clock
  readonly logger: Logger
  readonly node: ServerNode
}): { start(): Promise<void>; stop(): Promise<void> } => {
  let cancel: (() => void) | undefined
  let beating: Promise<void> = Promise.resolve()
  let isStopped = false

  const beat = async (): Promise<void> => {
    let nextMs = lifeMs / beatsPerLife
    try {
      await leases.renew({ worker: id, host, kinds: [serverKind], until: clock.monotonic() + lifeMs })
    } catch (error) {
      nextMs = againMs
      logger.warn({ err: error }, 'the heartbeat was not stored: the statistics may not list this server')
    }
    if (!isStopped) cancel = clock.after(nextMs, () => void go())
  }
  const go = (): Promise<void> => {
    beating = beat()
    return beating
  }

  return {
    start: go,
    stop: async () => {
      if (isStopped) return
      isStopped = true
      cancel?.()
      // A beat under way would bring it back.
      await beating
      await leases.release(id)
    },
  }
}

/** The servers that live, by their heartbeats. */
export const liveServers = (leases: Pick<Leases, 'live'>, now: number): readonly ServerNode[] =>
  leases
    .live(now)
    .filter(({ kinds }) => kinds.includes(serverKind))
    .map(({ worker, host }) => ({ id: worker, host }))
