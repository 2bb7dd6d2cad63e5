import { z } from 'zod'
import { type OperationRefusal, operation } from '../../commands/operation.ts'
import type { RetryRefusal } from '../../commands/retry.ts'
import { headerOf } from '../faces/arrival.ts'
import { caused, requestContext } from '../faces/http-context.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { settle } from '../reading/event-position.ts'
import { type Answers, answerTo } from '../replies/answers.ts'
import { pinnedRevision, versionMismatch } from '../replies/entity-tags.ts'
import { Problem } from '../replies/problem.ts'
import { findOperation, operationAnswer, type Reading } from './operation-answer.ts'
import { unknownOperation } from './operations.ts'
import { OperationDocument, operationExample, problems } from './schemas.ts'
import { accepted, submitAnswers } from './submit.ts'

const CancelBody = z.strictObject({ reason: z.string().max(1000).nullish() }).meta({ id: 'CancelRequest' })

const ifMatch = 'ETag of the revision that the client read; 412 if the revision has changed'

const impossible = (operationId: string, wish: string, state: string): Problem =>
  new Problem('impossible-transition', `the operation is in the state ${state} and cannot be ${wish}`, { operationId })

/** The revision that the client pinned; an operation that this node's view does not hold yet is pinned as the client said. */
const pinOf = ({ ports, known }: Reading, id: string, header: string | undefined): { pinnedRevision?: number } => {
  const pinned = pinnedRevision(header, ports.operations(known).byId(id)?.revision)
  return pinned === undefined ? {} : { pinnedRevision: pinned }
}

const cancelOperation = ({ operationReads: reads }: RouteTools): NativeRoute =>
  nativeRoute({
    reads,
    method: 'post',
    path: '/v1/operations/{id}/cancel',
    summary: 'Cancel an operation',
    description: 'A waiting operation is cancelled at once. A running one is `cancelling` until its work has stopped.',
    tag: 'operations',
    scope: 'v1:write',
    headers: { 'If-Match': ifMatch },
    params: { id: operationExample.id },
    body: CancelBody,
    optionalBody: true,
    examples: { 'With a reason': { reason: 'no longer needed' }, 'Without one': {} },
    answers: {
      200: { description: 'It was cancelled before, or is being cancelled', schema: OperationDocument },
      202: { description: 'Recorded', schema: OperationDocument },
      ...problems({
        404: 'There is no such operation',
        409: 'It has already ended, or the same Idempotency-Key is being processed',
        412: 'It is at a different revision',
      }),
    },
    handle: async ({ c, ports, known, params: { id = '' }, body }) => {
      const pin = pinOf({ ports, known }, id, headerOf(c, 'if-match'))
      const command = { type: 'CancelOperation', id, reason: body.reason ?? null } as const
      const { refused, position, revision } = withPosition(
        await ports.executor.execute(operation, command, requestContext(c), pin),
      )
      if (refused !== undefined) throw answerTo(cancelAnswers, refused, { id, ifMatch: headerOf(c, 'if-match') })
      await settle(ports, position)
      const cancelled = findOperation({ ports, known }, id)
      caused(c, { operationId: id, position: position ?? cancelled.position, revision })
      // Repeated after a crash, the recorded wish is answered as it would have been then.
      return operationAnswer(cancelled, position !== null || c.repeated ? 202 : 200)
    },
  })

/** What an answer to a refusal names of the request. */
interface Asked {
  readonly id: string
  readonly ifMatch: string | undefined
}

type VersionMismatch = { readonly reason: 'version-mismatch'; readonly expected: number; readonly actual: number }

const pinned = {
  'unknown-operation': (_refused: unknown, { id }: Asked) => unknownOperation(id),
  'version-mismatch': ({ actual }: VersionMismatch, { ifMatch = '' }: Asked) => versionMismatch(ifMatch, actual),
}

const notOfCancels = (): Problem => new Problem('internal', 'an operation cannot refuse a wish to cancel for this reason')

const cancelAnswers: Answers<OperationRefusal | VersionMismatch, Problem, Asked> = {
  ...pinned,
  'already-finished': ({ state }, { id }) => impossible(id, 'cancelled', state),
  'operation-exists': notOfCancels,
  'already-running': notOfCancels,
  'cancel-requested': notOfCancels,
  'not-due': notOfCancels,
  'not-admitted': notOfCancels,
  'attempt-superseded': notOfCancels,
}

const retryAnswers: Answers<RetryRefusal, Problem, Asked> = {
  ...submitAnswers,
  ...pinned,
  'not-retryable': ({ state }, { id }) => impossible(id, 'retried', state),
  'no-failed-targets': (_refused, { id }) =>
    new Problem('impossible-transition', 'no target of the operation failed or was skipped', { operationId: id }),
}

const withPosition = <Outcome extends object>(outcome: Outcome): Outcome & { position: string | null } => ({
  position: null,
  ...outcome,
})

const retryOperation = (tools: RouteTools): NativeRoute =>
  nativeRoute({
    method: 'post',
    path: '/v1/operations/{id}/retry',
    reads: tools.operationReads,
    summary: 'Retry an ended operation',
    description:
      'Submits a new operation with `retryOf`; the old one stays as it is. With `{"targets": "failed"}` it goes over those targets alone that failed or were skipped. `Prefer: wait=N` works as for submitting.',
    tag: 'operations',
    scope: 'v1:write',
    headers: { 'If-Match': ifMatch, Prefer: '`wait=N`: answer when the new one has ended, after N seconds at the latest' },
    params: { id: operationExample.id },
    body: z
      .strictObject({
        targets: z.literal('failed').optional().meta({ description: 'Only those targets that failed or were skipped' }),
      })
      .meta({ id: 'RetryRequest' }),
    optionalBody: true,
    examples: { 'The same again': {}, 'The failed targets': { targets: 'failed' } },
    answers: {
      200: { description: 'The new one ended within the preferred wait', schema: OperationDocument },
      202: { description: 'Accepted; `Location` names the new one', schema: OperationDocument },
      ...problems({
        404: 'There is no such operation',
        409: 'It has not ended, none of its targets failed, or the same Idempotency-Key is being processed',
        412: 'It is at a different revision',
      }),
    },
    handle: async ({ c, ports, known, params: { id = '' }, body: { targets } }) => {
      const pin = pinOf({ ports, known }, id, headerOf(c, 'if-match'))
      const result = await ports.retry(id, requestContext(c), { ...pin, targets })
      if (result.refused !== undefined) throw answerTo(retryAnswers, result.refused, { id, ifMatch: headerOf(c, 'if-match') })
      return accepted(c, ports, tools, { ...result, kind: findOperation({ ports, known }, id).kind })
    },
  })

/** Writes to operations that exist. */
export const operationCommandRoutes = (tools: RouteTools): readonly NativeRoute[] => [
  cancelOperation(tools),
  retryOperation(tools),
]
