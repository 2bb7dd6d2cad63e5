import { z } from 'zod'
import { operationStream } from '../../commands/operation.ts'
import type { Known } from '../../projections/known.ts'
import type { OperationResource } from '../../projections/operations/operation-resource.ts'
import { headerOf } from '../faces/arrival.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { hasEnded, waitForOperation } from '../reading/operation-wait.ts'
import { cursor, decodeCursor, encodeCursor, limit, order, wait } from '../reading/query.ts'
import { etag, isKnown } from '../replies/entity-tags.ts'
import { json } from '../replies/json.ts'
import { listOf } from '../replies/lists.ts'
import { Problem } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import { answerEvents, eventAnswers } from './events.ts'
import { createEndedAnswers, endedAnswer, findOperation, operationAnswer } from './operation-answer.ts'
import { operationFilters } from './operation-filter.ts'
import { OperationDocument, operationExample, problems } from './schemas.ts'

const listOperations = ({ operationReads: reads }: RouteTools): NativeRoute =>
  nativeRoute({
    reads,
    method: 'get',
    path: '/v1/operations',
    summary: 'List operations',
    tag: 'operations',
    scope: 'v1:read',
    query: z.object({
      limit: limit(),
      cursor,
      order: order('desc'),
      ...operationFilters,
    }),
    answers: {
      200: { description: 'A page of operations', schema: listOf(OperationDocument) },
      ...problems({ 400: 'A parameter is wrong' }),
    },
    handle: ({ ports, known, query: { cursor, ...options } }) => {
      const after = decodeCursor(cursor, ['number', 'number']) as readonly [number, number] | undefined
      const { items, next } = ports.operations(known).list({ ...options, after })
      return json({ items, next: next === null ? null : encodeCursor(next, known) })
    },
  })

const getOperation = (tools: RouteTools): NativeRoute => {
  const ended = createEndedAnswers()

  const shown = (operation: OperationResource, known: string | undefined): Reply => {
    if (isKnown(known, operation.revision)) return unchanged(operation.revision)
    return hasEnded(operation) ? endedAnswer(ended.keep(operation)) : operationAnswer(operation)
  }

  return nativeRoute({
    method: 'get',
    path: '/v1/operations/{id}',
    reads: tools.operationReads,
    summary: 'Get an operation',
    description:
      '`wait` answers when it has ended; with `If-None-Match`, when its revision differs, else 304 (at once where it has ended).',
    tag: 'operations',
    scope: 'v1:read',
    params: { id: operationExample.id },
    headers: { 'If-None-Match': 'ETag that the client has' },
    query: z.object({ wait }),
    answers: {
      200: { description: 'The operation', schema: OperationDocument, example: operationExample },
      304: { description: 'Unchanged: it still has the revision of `If-None-Match`' },
      ...problems({ 400: 'A parameter is wrong', 404: 'There is no such operation' }),
    },
    handle: ({ c, ports, known, params: { id = '' }, query: { wait = 0 } }) => {
      const seen = headerOf(c, 'if-none-match')
      // What has ended by now may not have ended at a moment of the past.
      const final = known.asOf === null ? ended.get(id) : undefined
      if (final !== undefined) return isKnown(seen, final.revision) ? unchanged(final.revision) : endedAnswer(final)
      const enough = (operation: OperationResource): boolean =>
        hasEnded(operation) || (seen !== undefined && !isKnown(seen, operation.revision))
      const answer = (found: OperationResource): Reply | Promise<Reply> => {
        if (wait === 0 || enough(found)) return shown(found, seen)
        const waited = waitForOperation(c, { ports, ...tools }, { id, timeoutMs: wait * 1000, enough })
        return waited.then((operation = found) => shown(operation, seen))
      }
      const found = ports.operations(known).byId(id)
      if (found !== undefined) return answer(found)
      // It may have been accepted a moment ago: the view first reaches what the log holds now.
      return reachedHead(ports, known).then(() => answer(findOperation({ ports, known }, id)))
    },
  })
}

/** Waits until the view of operations holds what the log holds, for 2 s at most; a moment of the past waits for nothing. */
const reachedHead = async ({ log, projections }: HttpPorts, { asOf }: Known): Promise<void> => {
  if (asOf === null) await projections.reached(await log.head(), { names: ['operations'] })
}

const unchanged = (revision: number): Reply => ({ status: 304, headers: { ETag: etag(revision) }, body: null })

const operationEvents = (tools: RouteTools): NativeRoute =>
  nativeRoute({
    method: 'get',
    path: '/v1/operations/{id}/events',
    reads: tools.operationReads,
    summary: 'List the events of an operation',
    tag: 'operations',
    scope: 'v1:read',
    params: { id: operationExample.id },
    query: z.object({
      after: z.string().max(100).optional().meta({ description: 'Only events after this position' }),
      limit: limit()
        .removeDefault()
        .optional()
        .meta({ description: 'Maximum number of items (JSON only)', type: 'integer', minimum: 1, maximum: 1000, default: 50 }),
    }),
    answers: { ...eventAnswers, ...problems({ 404: 'There is no such operation' }) },
    handle: async ({ c, ports, known, params: { id = '' }, query }) => {
      findOperation({ ports, known }, id)
      const selection = { stream: [operationStream(id)], visible: () => true }
      return answerEvents({ c, ports, known, tools, paging: query, selection })
    },
  })

/** Reading operations; what changes them stands in submit.ts and operation-commands.ts. */
export const operationRoutes = (tools: RouteTools): readonly NativeRoute[] => [
  listOperations(tools),
  getOperation(tools),
  operationEvents(tools),
]

export const unknownOperation = (id: string): Problem => new Problem('not-found', `there is no operation ${id}`)
