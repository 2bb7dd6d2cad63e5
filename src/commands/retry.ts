import type { OperationRequest, OperationState } from '../events/operation.ts'
import { sealedIn, sealingSubject } from '../events/sealed.ts'
import type { JsonValue } from '../lib/json.ts'
import type { EventLog } from '../stores/event-log.ts'
import type { Secrets } from '../stores/secrets.ts'
import type { CommandContext, Executor } from './execute.ts'
import type { Kind } from './kind.ts'
import { operation, operationStream } from './operation.ts'
import { openInput } from './sealing.ts'
import type { Submit, SubmitRefusal, Submitted } from './submit.ts'

export type RetryRefusal =
  | SubmitRefusal
  | { readonly reason: 'unknown-operation' }
  | { readonly reason: 'not-retryable'; readonly state: OperationState }
  | { readonly reason: 'version-mismatch'; readonly expected: number; readonly actual: number }

export type Retry = (
  operationId: string,
  context: CommandContext,
  options?: { readonly pinnedRevision?: number },
) => Promise<Submitted | { readonly refused: RetryRefusal }>

const retryable: readonly string[] = ['failed', 'cancelled', 'timed-out']

/** Requests a new operation like an ended one (`retryOf` names it); history is never rewritten. Source: native contract, section 2. */
export const createRetry =
  ({
    executor,
    log,
    kinds,
    secrets,
    submit,
  }: {
    readonly executor: Executor
    readonly log: EventLog
    readonly kinds: { get(kind: string): Pick<Kind, 'input'> | undefined }
    readonly secrets: Secrets
    readonly submit: Submit
  }): Retry =>
  async (operationId, context, { pinnedRevision } = {}) => {
    const stream = operationStream(operationId)
    const { state, revision } = await executor.load(operation as never, stream)
    const { status } = state as { readonly status: OperationState | 'absent' }
    if (status === 'absent') return { refused: { reason: 'unknown-operation' } }
    if (!retryable.includes(status)) return { refused: { reason: 'not-retryable', state: status } }
    if (pinnedRevision !== undefined && pinnedRevision !== revision)
      return { refused: { reason: 'version-mismatch', expected: pinnedRevision, actual: revision } }
    const request = await firstRequest(log, stream)
    const kind = kinds.get(request.kind)
    if (kind === undefined) return { refused: { reason: 'unknown-kind', kind: request.kind } }
    // The secrets stay those of the first operation: forgetting them makes them unreadable in every retry too.
    const { input, subject } = await openInput(kind.input, request.input as JsonValue, operationId, secrets)
    // Sealed values that it takes as they are: a forgotten one is refused now, not by the attempt.
    for (const { $sealed, subject: theirs = sealingSubject(operationId) } of sealedIn(input)) await secrets.open(theirs, $sealed)
    const { attempts, timeoutMs } = request.policy
    const { lane, priority, face, externalRef, parent, labels, limits } = request
    return submit(
      {
        kind: request.kind,
        input,
        lane,
        priority,
        face,
        externalRef,
        parent,
        labels,
        limits,
        retryOf: operationId,
        subject,
        policy: { attempts, timeoutMs },
      },
      { ...context, causationId: context.causationId ?? operationId },
      { internal: true },
    )
  }

const firstRequest = async (log: EventLog, stream: string): Promise<OperationRequest> => {
  for await (const event of log.readStream(stream, { limit: 1 })) return event.data as unknown as OperationRequest
  throw new Error(`stream ${stream} has a state but no events`)
}
