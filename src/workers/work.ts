import type { Readable } from 'node:stream'
import type { Kind } from '../commands/kind.ts'
import type { Actor } from '../events/define.ts'
import type { Backoff } from '../events/operation.ts'
import type { StandardStream } from '../events/output.ts'
import type { SealedValue } from '../events/sealed.ts'
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
  /** Appends to the operation's output, in order. Resolves when it may be given more. `stream` is stdout where it is missing. */
  output(text: string, stream?: StandardStream): Promise<void>
  /**
   * Appends what a program writes, UTF-8 in any chunks, and reads it no faster than it is recorded; past `outputCapBytes` it is read and dropped.
   * Resolves when the source has ended or was destroyed, rejects with its error. The work has to wait for it: nothing is taken after `run` has ended.
   * `seen` is told the whole text, secrets masked: what is cut out of a text before that may hold a part of one.
   */
  pipe(source: Readable, stream: StandardStream, seen?: (text: string) => void): Promise<void>
  /**
   * Adds labels to those of the request, or gives them other values; lists are filtered by them. Throws `WorkFailed` `invalid-labels` where a
   * request could not have them either, or where there would be more than 32.
   */
  label(labels: Readonly<Record<string, string>>): Promise<void>
  /** Runs `work` once per operation: its result is recorded, and a later attempt is given the recorded one. */
  step<Result extends JsonValue>(name: string, work: () => Promise<Result>): Promise<Result>
  /**
   * A sealed value in clear. Its texts are masked from then on in whatever the work says. Throws `WorkFailed`: `secret-forgotten`, which no
   * other attempt mends, or `secrets-unreadable`.
   */
  open(sealed: SealedValue): Promise<JsonValue>
  /** Seals what the work has learned, for its result or a recorded step; masked likewise. */
  seal(subject: string, value: JsonValue): Promise<SealedValue>
  /**
   * Runs `run` on each target, in order or several at a time; once in an attempt. Each start and end is recorded before the next one
   * of the same turn starts. A target that has succeeded is not run again by a later attempt; one that ran when its attempt was lost
   * or handed back is. Resolves when all have succeeded; rejects with the `WorkFailed` `targets-failed` (retryable, details `{failed, skipped}`)
   * where one has failed, and with the signal's reason where that aborts. Source: native contract, section 10.
   */
  targets(
    options: TargetsOptions,
    run: (name: string, context: TargetContext) => Promise<unknown>,
  ): Promise<{ readonly succeeded: number }>
}

/** How a work goes through its targets. */
export interface TargetsOptions {
  /**
   * The names, in order, each once, where the request fixes none (`SubmitRequest.targets`, `Kind.targets`). Taken once per operation: a later
   * attempt is given those of the first.
   */
  readonly names?: readonly string[] | (() => readonly string[] | Promise<readonly string[]>)
  /** How many run at a time. Default 1: strictly in order. */
  readonly parallel?: number
  /** How long to wait after the end of a target before the next one starts, in milliseconds; what is left of it outlives a crash. Default 0. */
  readonly pauseMs?: number
  /** `when asked`: a target itself asks for the pause (`TargetContext.pause`), and one that does not ask makes nobody wait. Default `before each`. */
  readonly pauses?: 'before each' | 'when asked'
  /** After so many failures no other target starts. Default: all are tried. */
  readonly maxFailures?: number
  /** Whether a later attempt runs those again that have failed. Default true; else they count as failed in every attempt. */
  readonly repeatFailed?: boolean
  /** Asked when it is a target's turn: one that is skipped is not started. */
  readonly skips?: (name: string) => boolean | Promise<boolean>
  /** Recorded with the start. Asked once: where the same target begins again, what was recorded first stays. */
  readonly details?: (name: string) => JsonValue | Promise<JsonValue>
}

/** What the run of one target is handed. */
export interface TargetContext extends Omit<WorkContext, 'targets'> {
  /** The place of the target in the order, from 0. */
  readonly place: number
  /** What was recorded with its first start; null without `TargetsOptions.details`. */
  readonly details: JsonValue
  /** As `WorkContext.step`, once for this target; one that has failed begins anew. */
  readonly step: WorkContext['step']
  /** Waits out what is left of the pause after the target before; see `TargetsOptions.pauses`. */
  pause(): Promise<void>
}

/** A kind of work. Which worker runs it, when and how often is not its business. */
export interface Work<Input = unknown, Output extends JsonValue = JsonValue> extends Kind<Input> {
  /** Most bytes of output that are kept, of both streams and all attempts; then one line says that the rest was dropped. Default 8 MiB. */
  readonly outputCapBytes?: number
  /** Attempts at a time in one process. Default: as many as there is room for. */
  readonly concurrency?: number
  /** How long it may take to stop after its signal, in milliseconds, before it is left to itself. Default: as the runtime says. */
  readonly stopWithinMs?: number
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
