import type { OperationRequest, OperationState, RequestedTargets } from '../events/operation.ts'
import { sealedIn, sealingSubject } from '../events/sealed.ts'
import type { JsonValue } from '../lib/json.ts'
import type { EventLog } from '../stores/event-log.ts'
import type { Secrets } from '../stores/secrets.ts'
import type { CommandContext, Executor } from './execute.ts'
import type { FaultyKind, Kind } from './kind.ts'
import { type OperationDecisionState, operation, operationStream } from './operation.ts'
import { openInput } from './sealing.ts'
import { type Submit, type SubmitRefusal, type Submitted, unusable } from './submit.ts'
import { listedNames, unfinishedPlaces } from './targets.ts'

export type RetryRefusal =
  | SubmitRefusal
  | { readonly reason: 'unknown-operation' }
  | { readonly reason: 'not-retryable'; readonly state: OperationState }
  | { readonly reason: 'no-failed-targets' }
  | { readonly reason: 'version-mismatch'; readonly expected: number; readonly actual: number }

export type Retry = (
  operationId: string,
  context: CommandContext,
  options?: {
    readonly pinnedRevision?: number
    /** `failed`: the new operation goes over those targets alone that failed or were skipped. */
    readonly targets?: 'failed' | undefined
  },
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
    readonly kinds: { get(kind: string): Pick<Kind, 'input'> | undefined; readonly faulty?: readonly FaultyKind[] }
    readonly secrets: Secrets
    readonly submit: Submit
  }): Retry =>
  async (operationId, context, { pinnedRevision, targets } = {}) => {
    const stream = operationStream(operationId)
    const { state, revision } = await executor.load(operation as never, stream)
    const known = state as OperationDecisionState
    const { status } = known
    if (status === 'absent') return { refused: { reason: 'unknown-operation' } }
    if (!retryable.includes(status)) return { refused: { reason: 'not-retryable', state: status } }
    if (pinnedRevision !== undefined && pinnedRevision !== revision)
      return { refused: { reason: 'version-mismatch', expected: pinnedRevision, actual: revision } }
    const gone = 'targets' in known && known.targets !== null ? known.targets : undefined
    const places = gone === undefined ? [] : unfinishedPlaces(gone)
    if (targets === 'failed' && places.length === 0) return { refused: { reason: 'no-failed-targets' } }
    const request = await firstRequest(log, stream)
    const kind = kinds.get(request.kind)
    if (kind === undefined) return { refused: unusable(request.kind, kinds.faulty) }
    // The secrets stay those of the first operation: forgetting them makes them unreadable in every retry too.
    const { input, subject } = await openInput(kind.input, request.input as JsonValue, operationId, secrets)
    // Sealed values that it takes as they are: a forgotten one is refused now, not by the attempt.
    for (const { $sealed, subject: theirs = sealingSubject(operationId) } of sealedIn(input)) await secrets.open(theirs, $sealed)
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
        targets: targets === 'failed' && gone?.isListed ? await those(places, request, log, stream) : request.targets,
        retryOf: operationId,
        subject,
        wholePolicy: request.policy,
      },
      { ...context, causationId: context.causationId ?? operationId },
      { internal: true },
    )
  }

/** Some of the targets of an operation, by their places. */
const those = async (
  places: readonly number[],
  { targets }: OperationRequest,
  log: EventLog,
  stream: string,
): Promise<RequestedTargets> => {
  if (targets !== undefined && 'from' in targets)
    return { from: targets.from, at: places.map((place) => targets.at?.[place] ?? place) }
  const names = targets?.names ?? (await listedNames(log, stream))
  return { names: places.flatMap((place) => names[place] ?? []) }
}

const firstRequest = async (log: EventLog, stream: string): Promise<OperationRequest> => {
  for await (const event of log.readStream(stream, { limit: 1 })) return event.data as unknown as OperationRequest
  throw new Error(`stream ${stream} has a state but no events`)
}
