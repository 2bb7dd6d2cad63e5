import { z } from 'zod'
import type { OperationState } from '../../events/operation.ts'
import type { JsonObject } from '../../lib/json.ts'
import { requestContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { json } from '../replies/json.ts'
import { Problem } from '../replies/problem.ts'
import { FilterBody, operationFilters } from './operation-filter.ts'
import { OperationDocument, problems } from './schemas.ts'
import { accepted, submitProblem } from './submit.ts'

const mostTargets = 10_000
const sampleSize = 20

const numbers = z.record(z.string(), z.number().int())
const CountsDocument = z.object({ byState: numbers, byKind: numbers, byFace: numbers }).meta({
  id: 'OperationCounts',
  description: 'Numbers by name; operations that were submitted to `/v1` count as the face `native`',
})

const operationCounts = ({ operationReads: reads }: RouteTools): NativeRoute =>
  nativeRoute({
    reads,
    method: 'get',
    path: '/v1/operations:counts',
    summary: 'Count operations',
    tag: 'operations',
    scope: 'v1:read',
    query: z.object(operationFilters),
    answers: {
      200: {
        description: 'How many operations the filters find',
        schema: CountsDocument,
        example: { byState: { running: 1, succeeded: 7 }, byKind: { probe: 8 }, byFace: { native: 8 } },
      },
      ...problems({ 400: 'A parameter is wrong' }),
    },
    handle: async ({ ports, known, query }) => json({ ...(await ports.operations(known).counts(query)) }),
  })

const BulkBody = z
  .strictObject({
    filter: FilterBody,
    reason: z.string().max(1000).nullish(),
    expected: z
      .number()
      .int()
      .min(0)
      .optional()
      .meta({ description: 'The `count` of the answer without it: what is found now must be as many' }),
  })
  .meta({ id: 'BulkRequest' })

const PreviewDocument = z
  .object({
    count: z.number().int().meta({ description: 'How many operations would be changed' }),
    sample: z.array(z.string()).meta({ description: `Ids of the first ${sampleSize} of them` }),
  })
  .meta({ id: 'BulkPreview' })

interface BulkAction {
  readonly name: 'cancel' | 'retry'
  /** The states of operations that it applies to. */
  readonly states: readonly OperationState[]
  readonly verb: string
}

const actions: readonly BulkAction[] = [
  { name: 'cancel', states: ['pending', 'running', 'retrying'], verb: 'Cancel' },
  { name: 'retry', states: ['failed', 'cancelled', 'timed-out'], verb: 'Retry' },
]

const bulkRoute = ({ name, states, verb }: BulkAction, tools: RouteTools): NativeRoute =>
  nativeRoute({
    method: 'post',
    path: `/v1/operations:${name}`,
    reads: tools.operationReads,
    summary: `${verb} operations by a filter`,
    description: `Without \`expected\` it only says how many operations the filter finds that can be changed. With it an operation of the kind \`bulk.${name}\` is accepted whose targets they are. \`Prefer: wait=N\` works as for submitting.`,
    tag: 'operations',
    scope: 'v1:write',
    headers: { Prefer: '`wait=N`: answer when it has ended, after N seconds at the latest' },
    body: BulkBody,
    examples: { 'How many are there': { filter: { kind: 'probe', label: 'team:search' } } },
    answers: {
      200: {
        description: 'How many it would be; or the operation, where it ended within the preferred wait',
        schema: z.union([PreviewDocument, OperationDocument]),
      },
      202: { description: 'Accepted; `Location` names the operation that does it', schema: OperationDocument },
      ...problems({
        400: `The body is wrong, or more than ${mostTargets} operations are found`,
        409: 'Another number of operations is found by now, or the same Idempotency-Key is being processed',
      }),
    },
    handle: async ({ c, ports, known, body: { filter, reason = null, expected } }) => {
      const context = requestContext(c)
      const kind = `bulk.${name}`
      const queries = ports.operations(known)
      // Accepted before a crash, and what it was to change has changed since.
      if (c.repeated && queries.byId(context.commandId) !== undefined)
        return accepted(c, ports, tools, { operationId: context.commandId, position: null, kind })
      await caughtUp(ports)
      const found = { ...filter, state: statesOf(filter, states) }
      const { byState } = await queries.counts(found)
      const count = Object.values(byState).reduce((sum, one) => sum + one, 0)
      if (expected === undefined) return json({ count, sample: [...(await queries.ids(found, sampleSize))] })
      if (count !== expected)
        throw new Problem('count-differs', `the filter finds ${count} operations by now, not ${expected}`, {
          expected,
          actual: count,
        })
      if (count > mostTargets)
        throw new Problem('invalid', `the filter finds ${count} operations, and at most ${mostTargets} can be changed together`, {
          errors: [{ pointer: '/filter', message: `finds more than ${mostTargets} operations` }],
        })
      const names = [...(await queries.ids(found, mostTargets))]
      const input = { filter: { ...filter } as JsonObject, reason }
      const result = await ports.submit({ kind, input, targets: { names } }, context, { internal: true })
      if (result.refused !== undefined) throw submitProblem(result.refused)
      return accepted(c, ports, tools, { ...result, kind })
    },
  })

/** The states that both are wanted and can be changed. */
const statesOf = ({ state }: FilterBody, states: readonly OperationState[]): readonly OperationState[] =>
  states.filter((one) => state === undefined || state.includes(one))

/** What was accepted a moment ago counts. */
const caughtUp = async ({ log, projections }: HttpPorts): Promise<void> => {
  if (await projections.reached(await log.head(), { names: ['operations'] })) return
  throw new Problem('not-caught-up', 'the view of operations has not reached the end of the log')
}

export const bulkRoutes = (tools: RouteTools): readonly NativeRoute[] => [
  operationCounts(tools),
  ...actions.map((action) => bulkRoute(action, tools)),
]
