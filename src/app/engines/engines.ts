import type { Logger } from 'pino'
import type { JobBus } from '../../bus/job-bus.ts'
import type { Config } from '../../config.ts'
import type { Clock } from '../../lib/clock.ts'
import type { EventLog } from '../../stores/event-log.ts'
import type { WalCheckpoints } from '../../stores/files/wal-checkpoints.ts'
import type { Leadership } from '../../stores/leadership.ts'
import type { Leases } from '../../stores/leases.ts'
import type { Part } from '../lifecycle.ts'

/** The engines of a node. Their holders do not know which adapters they are. */
export interface Engines {
  readonly log: EventLog
  readonly bus: JobBus
  readonly leases: Leases
  readonly leadership: Leadership
  /** Lets the log forget all but the newest events of a stream, where it can. Never rejects. */
  readonly keepShort: (stream: string) => Promise<void>
  /** Folder of this node's views: views of one log are never used with another. */
  readonly viewsDirectory: string
  /** Whether other nodes may work on the same log: then another one may hold the offices. */
  readonly isShared: boolean
  /** Health checks beside log and views, by name. A check rejects, or never answers, if its engine cannot be reached. */
  readonly checks: Readonly<Record<string, () => Promise<unknown>>>
  /** What carries events elsewhere, on one node at a time; a server starts and stops it. */
  readonly publishers: readonly { start(): Promise<void>; stop(): Promise<void> }[]
  /**
   * To be called when the process listens: resolves when the bus can be used, or is away and waited for. Throws `Unavailable` where waiting
   * cannot help.
   */
  start(): Promise<void>
  /** Closed in this order: bus first, log last. */
  readonly parts: readonly Part[]
}

export interface EnginesOptions {
  readonly config: Config
  readonly clock: Clock
  readonly logger: Logger
  readonly checkpoints: WalCheckpoints
}
