import { z } from 'zod'
import type { Executor } from '../../commands/execute.ts'
import { operation } from '../../commands/operation.ts'
import type { Retry } from '../../commands/retry.ts'
import { SecretForgotten } from '../../lib/errors.ts'
import { childId, derivedId } from '../../lib/ids.ts'
import type { JsonValue } from '../../lib/json.ts'
import { atOnce } from '../at-once.ts'
import { noBackoff, type TargetContext, type Work, WorkFailed } from '../work.ts'

/** What somebody wanted, as they said it; the operations are the targets, fixed when it was accepted. */
const Input = z.object({ filter: z.record(z.string(), z.json()), reason: z.string().nullable() })
type Input = z.infer<typeof Input>

const dayMs = 24 * 3_600_000
const parallel = 8

const common = {
  face: null,
  submittable: false,
  input: Input,
  policy: { attempts: 1, timeoutMs: dayMs, backoff: noBackoff, whenLost: 'retry' },
} as const

/** Bulk operations that one process runs at a time. */
const mostAtATime = 4

type Act = (id: string, input: Input, context: TargetContext) => Promise<JsonValue>

const overTargets = (act: Act): Pick<Work<Input>, 'run' | 'scheduler'> => {
  const { scheduler, during } = atOnce(mostAtATime)
  return {
    scheduler,
    run: async (input, { operationId, targets }) =>
      during(operationId, async () => ({ ...(await targets({ parallel }, (id, context) => act(id, input, context))) })),
  }
}

/** Cancels the operations that are its targets; each is recorded under the name of who asked. Source: native contract, section 13. */
export const bulkCancel = ({ executor }: { readonly executor: Executor }): Work<Input> => ({
  ...common,
  kind: 'bulk.cancel',
  description: 'Cancels the operations that a filter found',
  ...overTargets(async (id, { reason }, context) => {
    const outcome = await executor.execute(
      operation,
      { type: 'CancelOperation', id, reason },
      { ...requesterOf(context), commandId: derivedId('bulk', context.operationId, id), causationId: context.operationId },
    )
    if (outcome.refused === undefined) return { state: outcome.state.status }
    if (outcome.refused.reason === 'already-finished') throw impossible(`the operation is ${outcome.refused.state} already`)
    throw impossible(`the operation refuses it: ${outcome.refused.reason}`)
  }),
})

/** Retries the operations that are its targets; the new operation of each derives from both, so that there is one. */
export const bulkRetry = ({ retry }: { readonly retry: Retry }): Work<Input> => ({
  ...common,
  kind: 'bulk.retry',
  description: 'Retries the operations that a filter found',
  ...overTargets(async (id, _input, context) => {
    try {
      const commandId = childId(context.operationId, id)
      // Its cause is the operation that it repeats.
      const result = await retry(id, { ...requesterOf(context), commandId })
      if (result.refused === undefined) return { operation: result.operationId }
      throw impossible(`the operation cannot be retried: ${result.refused.reason}`)
    } catch (error) {
      if (error instanceof SecretForgotten) throw new WorkFailed('secret-forgotten', error.message, { retryable: false })
      throw error
    }
  }),
})

const requesterOf = ({ actor, correlationId }: TargetContext) => ({ actor, correlationId })

const impossible = (message: string): WorkFailed => new WorkFailed('impossible-transition', message, { retryable: false })
