import { z } from 'zod'
import { targetStates } from '../../projections/operations/targets.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { anyOf, cursor, limit } from '../reading/query.ts'
import { listOf, listResponse, paged } from '../replies/lists.ts'
import { unknownOperation } from './operations.ts'
import { ErrorDocument, instant, json, operationExample, problems } from './schemas.ts'

const TargetDocument = z
  .object({
    name: z.string(),
    state: z.enum(targetStates),
    startedAt: instant.nullable(),
    finishedAt: instant.nullable(),
    error: ErrorDocument.nullable(),
    result: json,
  })
  .meta({ id: 'Target' })

export const operationTargets = ({ operationReads: reads }: RouteTools): NativeRoute =>
  nativeRoute({
    method: 'get',
    path: '/v1/operations/{id}/targets',
    reads,
    summary: 'List the targets of an operation',
    description: 'In the order in which they are started. An operation without targets has an empty list.',
    tag: 'operations',
    scope: 'v1:read',
    params: { id: operationExample.id },
    query: z.object({ limit: limit(), cursor, state: anyOf('States', z.enum(targetStates)) }),
    answers: {
      200: { description: 'A page of targets', schema: listOf(TargetDocument) },
      ...problems({ 400: 'A parameter is wrong', 404: 'There is no such operation' }),
    },
    handle: ({ ports, known, params: { id = '' }, query }) => {
      const page = ports.operations(known).targets(id, paged(query, ['number']) as never)
      if (page === undefined) throw unknownOperation(id)
      return listResponse(page, known)
    },
  })
