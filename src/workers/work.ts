import type { Kind } from '../commands/kind.ts'
import type { Actor } from '../events/define.ts'
import type { Backoff } from '../events/operation.ts'
import type { JsonValue } from '../lib/json.ts'

/** What a running attempt is handed; it knows nothing of streams, leases or HTTP. */
export interface WorkContext {
  readonly operationId: string
  readonly attempt: number
  readonly correlationId: string
  readonly actor: Actor
  /** Aborts on cancellation, time-out, a lost lease and shutdown; whatever the work started must end with it. */
  readonly signal: AbortSignal
  /** Shows how far the work is; recorded at most once a second, and less often the longer the attempt runs. */
  progress(report: { phase?: string; fraction?: number; detail?: string }): void
  /** Appends to the operation's output, in order. Resolves when it may be given more. */
  output(text: string): Promise<void>
  /** Runs `work` once per operation: its result is recorded, and a later attempt is given the recorded one. */
  step<Result extends JsonValue>(name: string, work: () => Promise<Result>): Promise<Result>
}

/** A kind of work. Which worker runs it, when and how often is not its business. */
export interface Work<Input = unknown, Output extends JsonValue = JsonValue> extends Kind<Input> {
  /** Most bytes of output that are kept. Default 8 MiB. */
  readonly outputCapBytes?: number
  /**
   * A kind with a scheduler of its own: a job only wakes it, and it says itself which operation may start when.
   * `start` claims the operation and lets it run: it resolves to true once the attempt has begun, to false when the claim was
   * refused. `worker` tells the name under which that happens. `wake` may come often for the same operation: the supervisor rings
   * until it runs.
   */
  readonly scheduler?: {
    attach(start: (operationId: string) => Promise<boolean>, worker: () => string): void
    wake(operationId: string): void
  }
  run(input: Input, context: WorkContext): Promise<Output>
}

/** Thrown by work that failed: `type` is a slug, `retryable` says whether another attempt can help. */
export class WorkFailed extends Error {
  override readonly name = 'WorkFailed'
  readonly type: string
  readonly retryable: boolean
  /** What else a program may want to know of the failure. */
  readonly details: JsonValue | undefined
  /** When another attempt may help, in milliseconds from now; undefined leaves that to the policy. */
  readonly retryAfterMs: number | undefined
  constructor(
    type: string,
    message: string,
    {
      retryable,
      details,
      retryAfterMs,
    }: { readonly retryable: boolean; readonly details?: JsonValue | undefined; readonly retryAfterMs?: number | undefined },
  ) {
    super(message)
    this.type = type
    this.retryable = retryable
    this.details = details
    this.retryAfterMs = retryAfterMs
  }
}

export const noBackoff: Backoff = { initialMs: 0, factor: 1, maxMs: 0 }
