import { z } from 'zod'
import { Labels, LimitKeys, PlainName, RunAt, type SubmitRefusal, type SubmitRequest } from '../../commands/submit.ts'
import { headerOf } from '../faces/arrival.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { settle } from '../reading/event-position.ts'
import { waitForOperation } from '../reading/operation-wait.ts'
import { preferredWait } from '../reading/prefer-wait.ts'
import { type Answers, answerTo } from '../replies/answers.ts'
import { Problem } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import { acceptedAnswer } from './operation-answer.ts'
import { OperationDocument, operationExample, problems } from './schemas.ts'

export const SubmitBody = z
  .strictObject({
    kind: z.string().min(1).max(200),
    input: z.unknown().refine((value) => value !== undefined, 'required'),
    lane: PlainName.nullish().meta({ description: 'Operations of the same lane run one at a time' }),
    priority: z.number().int().min(0).max(1000).default(100).meta({ description: 'Lower numbers run first' }),
    runAt: RunAt.nullish().meta({ description: 'The earliest time of its start' }),
    policy: z
      .strictObject({ attempts: z.number().int().min(1).max(1000).optional(), timeoutMs: z.number().int().min(1).optional() })
      .optional(),
    labels: Labels.optional().meta({ description: 'Lists are filtered by them', example: { team: 'search' } }),
    limits: LimitKeys.optional().meta({ description: 'Keys of the limits that hold its starts' }),
  })
  .meta({ id: 'OperationRequest' })

export const submitOperation = (tools: RouteTools): NativeRoute =>
  nativeRoute({
    method: 'post',
    path: '/v1/operations',
    reads: tools.operationReads,
    summary: 'Submit an operation',
    description: '`Prefer: wait=N` (seconds, at most 60) answers 200 when it ended in time. `Idempotency-Key` is honoured.',
    tag: 'operations',
    scope: 'v1:write',
    headers: { Prefer: '`wait=N`: answer when it has ended, after N seconds at the latest' },
    body: SubmitBody,
    examples: {
      'A probe that echoes': { kind: 'probe', input: { echo: 'hello' } },
      'A probe that takes two seconds and prints, in a lane of its own': {
        kind: 'probe',
        input: { sleepMs: 2000, output: 'at work\n', echo: 'done' },
        lane: 'docs',
        priority: 50,
        policy: { attempts: 2, timeoutMs: 60_000 },
      },
    },
    answers: {
      200: { description: 'It ended within the preferred wait', schema: OperationDocument, example: operationExample },
      202: { description: 'Accepted; `Location` names it', schema: OperationDocument },
      ...problems({
        400: 'The body is wrong, or the kind is unknown',
        403: 'The scope v1:write is missing, the kind cannot be submitted here, or a page of a foreign origin sent the request',
      }),
    },
    handle: async ({ c, ports, body }) => {
      const result = await ports.submit(body as SubmitRequest, requestContext(c))
      if (result.refused !== undefined) throw submitProblem(result.refused)
      return accepted(c, ports, tools, { ...result, kind: body.kind })
    },
  })

/** After an operation was requested: waits for the view, then as long as the client prefers, and shows it. */
export const accepted = async (
  c: HttpContext,
  ports: HttpPorts,
  tools: RouteTools,
  { operationId, position, kind }: { readonly operationId: string; readonly position: string | null; readonly kind: string },
): Promise<Reply> => {
  if (position !== null) caused(c, { position })
  await settle(ports, position)
  const waited = preferredWait(headerOf(c, 'prefer'))
  if (waited !== undefined) await waitForOperation(c, { ports, ...tools }, { id: operationId, timeoutMs: waited * 1000 })
  return acceptedAnswer(c, ports, { id: operationId, kind, waited })
}

export const submitAnswers: Answers<SubmitRefusal, Problem, unknown> = {
  'unknown-kind': ({ kind }) =>
    new Problem('invalid', `there is no kind ${kind}; GET /v1/kinds lists the kinds`, {
      errors: [{ pointer: '/kind', message: 'unknown kind' }],
    }),
  'kind-faulty': ({ kind, fault: { file, pointer, message } }) =>
    new Problem('invalid', `the kind ${kind} cannot be used: ${file}${pointer && ` at ${pointer}`}: ${message}`, {
      errors: [{ pointer: '/kind', message: 'its manifest is faulty' }],
    }),
  'kind-not-submittable': ({ kind }) =>
    new Problem('kind-not-submittable', `operations of the kind ${kind} can be submitted through their own face only`),
  invalid: ({ errors }) => new Problem('invalid', 'the request for the operation is not valid', { errors }),
}

export const submitProblem = (refused: SubmitRefusal): Problem => answerTo(submitAnswers, refused, undefined)
