import { z } from 'zod'
import type { SubmitRefusal, SubmitRequest } from '../../commands/submit.ts'
import { itemId } from '../../commands/submit-batch.ts'
import { messageOf, Oversize, Unacceptable } from '../../lib/errors.ts'
import { schemaProblems } from '../../lib/schema-problems.ts'
import type { Position } from '../../stores/event-log.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { settle } from '../reading/event-position.ts'
import { json } from '../replies/json.ts'
import { Problem, type ProblemMembers, problemMembers } from '../replies/problem.ts'
import { problems } from './schemas.ts'
import { SubmitBody, submitProblem } from './submit.ts'

const mostItems = 1000

const BatchBody = z
  .strictObject({
    // Judged one by one: what is wrong with one of them is no fault of the others, where each counts by itself.
    items: z
      .array(z.unknown().meta({ $ref: `#/components/schemas/${SubmitBody.meta()?.id}` }))
      .min(1)
      .max(mostItems),
    atomic: z.boolean().default(true).meta({ description: 'All or none; otherwise each one by itself' }),
  })
  .meta({ id: 'BatchRequest' })

const BatchDocument = z
  .object({
    items: z.array(
      z.union([
        z.object({ id: z.string().meta({ format: 'uuid' }), location: z.string() }),
        z.object({
          error: z.object({
            type: z.string(),
            title: z.string(),
            status: z.number().int(),
            detail: z.string(),
            errors: z.array(z.object({ pointer: z.string(), message: z.string() })).optional(),
          }),
        }),
      ]),
    ),
  })
  .meta({ id: 'Batch' })

type Item = { readonly id: string; readonly location: string } | { readonly error: ProblemMembers }

export const submitBatch = (tools: RouteTools): NativeRoute =>
  nativeRoute({
    method: 'post',
    path: '/v1/operations:batch',
    reads: tools.operationReads,
    summary: 'Submit operations together',
    description:
      'All or none, also where the server ends in the middle. With `"atomic": false` each one by itself: an item of the answer has an `error` then where one was refused.',
    tag: 'operations',
    scope: 'v1:write',
    body: BatchBody,
    examples: {
      'Two probes': {
        items: [
          { kind: 'probe', input: { echo: 1 }, labels: { run: '7' } },
          { kind: 'probe', input: { echo: 2 }, labels: { run: '7' } },
        ],
      },
    },
    answers: {
      202: { description: 'Accepted, in the order of the request', schema: BatchDocument },
      ...problems({ 400: 'The body is wrong, or nothing was submitted because one of the items cannot be' }),
    },
    handle: async ({ c, ports, body: { items, atomic } }) => {
      const made = await (atomic ? together(c, ports, items) : oneByOne(c, ports, items))
      if (made.position !== null) caused(c, { position: made.position })
      await settle(ports, made.position)
      return json({ items: made.items }, 202)
    },
  })

interface Made {
  readonly items: readonly Item[]
  readonly position: Position | null
}

const shown = (id: string): Item => ({ id, location: `/v1/operations/${id}` })

const together = async (c: HttpContext, ports: HttpPorts, items: readonly unknown[]): Promise<Made> => {
  const requests = items.map((item, index) => {
    const parsed = requestOf(item)
    if (parsed instanceof Problem) throw ofItem(index, parsed)
    return parsed
  })
  const made = await ports.submitBatch(requests, requestContext(c))
  if (made.refused !== undefined) throw ofItem(made.refused.index, submitProblem(made.refused.refusal))
  return { items: made.ids.map(shown), position: made.position }
}

const oneByOne = async (c: HttpContext, ports: HttpPorts, items: readonly unknown[]): Promise<Made> => {
  const context = requestContext(c)
  const made: Item[] = []
  let last: Position | null = null
  for (const [index, item] of items.entries()) {
    const outcome = await submitOne(ports, item, { ...context, commandId: itemId(context.commandId, index) })
    if (outcome instanceof Problem) made.push({ error: problemMembers(ofItem(index, outcome)) })
    else {
      made.push(shown(outcome.operationId))
      last = outcome.position ?? last
    }
  }
  return { items: made, position: last }
}

const submitOne = async (
  { submit }: HttpPorts,
  item: unknown,
  context: ReturnType<typeof requestContext>,
): Promise<Problem | { readonly operationId: string; readonly position: Position | null }> => {
  const request = requestOf(item)
  if (request instanceof Problem) return request
  try {
    const outcome = await submit(request, context)
    return outcome.refused === undefined ? outcome : submitProblem(outcome.refused as SubmitRefusal)
  } catch (error) {
    if (error instanceof Oversize) return new Problem('too-large', 'the log does not accept a request of this size')
    if (error instanceof Unacceptable) return new Problem('invalid', messageOf(error))
    throw error
  }
}

const requestOf = (item: unknown): SubmitRequest | Problem => {
  const parsed = SubmitBody.safeParse(item)
  return parsed.success
    ? (parsed.data as SubmitRequest)
    : new Problem('invalid', 'the request for the operation is not valid', { errors: schemaProblems(parsed.error) })
}

/** The problem of one item, with pointers into the whole body; what is refused of it is a fault of the body. */
const ofItem = (index: number, problem: Problem): Problem => {
  const at = `/items/${index}`
  const { errors = [{ pointer: problem.slug === 'kind-not-submittable' ? '/kind' : '', message: problem.message }] } =
    problem.details
  return new Problem('invalid', `item ${index}: ${problem.message}`, {
    errors: errors.map(({ pointer, message }) => ({ pointer: `${at}${pointer}`, message })),
  })
}
