/** A wake-up message: "operation `operationId` may start". The claim in the log decides, so a lost or duplicate job does no harm. */
export interface Job {
  readonly operationId: string
  readonly kind: string
  /** Keeps the order of one lane on a partitioned bus; the operation's own id where it has no lane. */
  readonly key: string
  readonly priority: number
  /** The attempt whose back-off has passed by the sender's clock; the receiver's clock may differ, or was set. */
  readonly waitedAfter?: number | undefined
  /** For an operation with limits: which attempt they let start, and the revision of the event that says so. */
  readonly admitted?: { readonly attempt: number; readonly number: number } | undefined
}

/**
 * The name under which jobs of a kind are queued and consumed. Kinds of one's own come and go while a process runs, and what it consumes
 * stays: they have one name for all.
 */
export const queueOf = (kind: string): string => (kind.startsWith('own.') ? ownQueue : kind)

export const ownQueue = 'own.*'

export interface ConsumeOptions {
  /** Names of queues, as `queueOf` gives them. */
  readonly kinds: readonly string[]
  /** Handlers at a time, those of `beside` not counted. */
  readonly concurrency: number
  /** Those of `kinds` whose handlers wait for nothing: their jobs are handed out however many others are being handled. */
  readonly beside?: readonly string[] | undefined
  readonly signal: AbortSignal
}

/** How work is told. Every adapter passes test/contracts/job-bus.ts. */
export interface JobBus {
  /** Resolves when the jobs are as durable as this bus makes them. */
  publish(jobs: readonly Job[]): Promise<void>
  /** Resolves when `signal` has aborted and the last `handle` returned. `handle` resolves once the job is claimed or known to be stale, never after the work. */
  consume(options: ConsumeOptions, handle: (job: Job) => Promise<void>): Promise<void>
  close(): Promise<void>
}
