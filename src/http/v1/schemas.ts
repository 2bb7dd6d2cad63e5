import { z } from 'zod'
import { OperationError, operationStates, Policy } from '../../events/operation.ts'
import type { DocumentedReply } from '../faces/native-route.ts'
import { ProblemDocument } from '../replies/problem.ts'

export const instant = z.string().meta({ format: 'date-time', example: '2026-11-21T05:27:00.123Z' })
/** Any JSON value; a schema without members in the document. */
export const json = z.unknown()

export const ActorDocument = z
  .object({ principal: z.string(), face: z.string().nullable(), address: z.string().nullable() })
  .meta({ id: 'Actor', description: 'Who made the request, through which face and from which address' })

export const ErrorDocument = OperationError.meta({ id: 'OperationError' })

export const OperationDocument = z
  .object({
    id: z.string().meta({ format: 'uuid' }),
    kind: z.string(),
    face: z.string().nullable(),
    lane: z.string().nullable(),
    state: z.enum(operationStates),
    attempt: z.number().int(),
    maxAttempts: z.number().int(),
    requestedAt: instant,
    startedAt: instant.nullable(),
    finishedAt: instant.nullable(),
    requestedBy: ActorDocument,
    worker: z.string().nullable(),
    progress: z
      .object({ fraction: z.number().nullable(), phase: z.string().nullable(), detail: z.string().nullable(), at: instant })
      .nullable(),
    waitingFor: z
      .object({
        reason: z.enum(['start', 'lane', 'retry', 'worker', 'time', 'limit', 'unknown']).meta({
          description:
            '`unknown` with `asOf` if the reason depended on the workers of that time; the other members are then null',
        }),
        detail: z.string().nullable(),
        since: instant.nullable(),
        until: instant.nullable(),
        operation: z.string().nullable(),
      })
      .nullable(),
    input: json,
    result: json,
    error: ErrorDocument.nullable(),
    labels: z.record(z.string(), z.string()),
    limits: z.array(z.string()),
    targets: z
      .object({
        total: z.number().int(),
        waiting: z.number().int(),
        running: z.number().int(),
        succeeded: z.number().int(),
        failed: z.number().int(),
        skipped: z.number().int(),
      })
      .nullable()
      .meta({ description: 'How many targets it has and how far they are; null where it has none' }),
    schedule: z.string().nullable().meta({ description: 'Name of the schedule that asked for it' }),
    slot: z.string().nullable().meta({ format: 'date-time', description: 'The time that the schedule asked for it to start' }),
    correlationId: z.string(),
    parent: z.string().nullable(),
    retryOf: z.string().nullable(),
    revision: z.number().int(),
    position: z.string(),
  })
  .meta({ id: 'Operation' })

/** An operation as the document shows one; its id stands in the examples of paths. */
export const operationExample = {
  id: '01a1feb0-1fd7-73b1-a108-4b257b40f450',
  kind: 'probe',
  face: null,
  lane: null,
  state: 'succeeded',
  attempt: 1,
  maxAttempts: 5,
  requestedAt: '2026-11-21T15:18:37.788Z',
  startedAt: '2026-11-21T15:18:37.795Z',
  finishedAt: '2026-11-21T15:18:37.799Z',
  requestedBy: { principal: 'anonymous', face: null, address: '127.0.0.1' },
  worker: null,
  progress: null,
  waitingFor: null,
  input: { echo: 'hello' },
  result: { echo: 'hello', attempt: 1 },
  error: null,
  labels: {},
  limits: [],
  targets: null,
  schedule: null,
  slot: null,
  correlationId: '01a1feb0-1fd7-73b1-a108-4b257b40f450',
  parent: null,
  retryOf: null,
  revision: 2,
  position: '0000000000000003',
}

export const EventDocument = z
  .object({
    position: z.string(),
    stream: z.string(),
    revision: z.number().int(),
    id: z.string().meta({ format: 'uuid' }),
    type: z.string(),
    data: z.record(z.string(), json),
    metadata: z.object({
      correlationId: z.string(),
      causationId: z.string().optional(),
      commandId: z.string().optional(),
      actor: ActorDocument,
      schema: z.number().int(),
      traceparent: z.string().optional(),
    }),
    recordedAt: instant,
  })
  .meta({ id: 'Event' })

export const StepDocument = z
  .object({
    position: z.string(),
    stream: z.string(),
    type: z.string(),
    id: z.string().meta({ format: 'uuid' }),
    actor: ActorDocument,
    at: instant,
    summary: z.string().meta({ description: 'What happened, in one sentence' }),
  })
  .meta({ id: 'Step' })

/** The event that an operation begins with, as a step. */
export const stepExample = {
  position: '0000000000000001',
  stream: `operation-${operationExample.id}`,
  type: 'OperationRequested',
  id: '01a1feb0-1fd7-83b1-a108-4b257b40f451',
  actor: operationExample.requestedBy,
  at: operationExample.requestedAt,
  summary: 'anonymous at 127.0.0.1 asked for a probe through the native API',
}

export const KindDocument = z
  .object({
    kind: z.string(),
    face: z.string().nullable(),
    description: z.string(),
    submittable: z.boolean(),
    policy: Policy.meta({ id: 'Policy', description: 'How an operation is attempted; `timeoutMs` is per attempt' }),
    inputSchema: z.record(z.string(), json).meta({ description: 'JSON Schema 2020-12' }),
    workers: z.number().int().nullable().meta({ description: 'Number of live workers that run this kind; null with `asOf`' }),
    fault: z
      .object({ file: z.string(), pointer: z.string(), message: z.string() })
      .nullable()
      .meta({ description: 'Why the manifest of a kind of your own cannot be used; null where it can' }),
  })
  .meta({ id: 'Kind' })

export const ProjectionDocument = z
  .object({
    name: z.string(),
    version: z.number().int(),
    position: z.string(),
    lag: z
      .number()
      .int()
      .nullable()
      .meta({ description: 'Number of events between the view and the head of the log; null with `asOf`, as the other members' }),
    state: z.enum(['live', 'catching-up', 'rebuilding', 'faulted']).nullable(),
    fault: z.object({ position: z.string(), message: z.string() }).nullable(),
  })
  .meta({ id: 'Projection' })

/** The problems that a route may answer with, by status. */
export const problems = (statuses: Readonly<Record<number, string>>): Readonly<Record<number, DocumentedReply>> =>
  Object.fromEntries(
    Object.entries(statuses).map(([status, description]) => [
      status,
      { description, schema: ProblemDocument, type: 'application/problem+json' },
    ]),
  )
