import { LRUCache } from 'lru-cache'
import { instant } from '../../lib/clock.ts'
import { type OperationResource, operationText } from '../../projections/operations/operation-resource.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import type { RouteRequest } from '../faces/native-route.ts'
import { hasEnded } from '../reading/operation-wait.ts'
import { etag } from '../replies/entity-tags.ts'
import { jsonText } from '../replies/json.ts'
import { Problem } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'

/** What a route looks operations up with. */
export type Reading = Pick<RouteRequest<unknown, unknown>, 'ports' | 'known'>

/** The operation of a path; a problem `not-found` for an unknown id, one of another form too. */
export const findOperation = ({ ports, known }: Reading, id: string): OperationResource => {
  const found = ports.operations(known).byId(id)
  if (found === undefined) throw new Problem('not-found', `there is no operation ${id}`)
  return found
}

/** An operation that has ended, as it will be shown from now on. */
export interface EndedAnswer {
  readonly text: string
  readonly revision: number
}

const endedBytes = 8 * 1024 * 1024
const longestEnded = 64 * 1024

/** What ended is final: shown again from memory it costs 12 µs less than from the view. */
export const createEndedAnswers = () => {
  const answers = new LRUCache<string, EndedAnswer>({
    maxSize: endedBytes,
    maxEntrySize: longestEnded,
    sizeCalculation: ({ text }) => text.length + 200,
  })
  return {
    get: (id: string): EndedAnswer | undefined => answers.get(id),
    keep: (operation: OperationResource): EndedAnswer => {
      const answer = { text: operationText(operation), revision: operation.revision }
      answers.set(operation.id, answer)
      return answer
    },
  }
}

export const operationAnswer = (
  operation: OperationResource,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Reply => jsonText(operationText(operation), status, { ETag: etag(operation.revision), ...headers })

export const endedAnswer = ({ text, revision }: EndedAnswer): Reply => jsonText(text, 200, { ETag: etag(revision) })

/** What is shown of an operation that was just requested where this node's view does not hold it in time. */
const justRequested = (c: HttpContext, ports: HttpPorts, id: string, kind: string, input: unknown): OperationResource => {
  const now = instant(ports.clock.now())
  const { actor, correlationId } = requestContext(c)
  return {
    ...{ id, kind, face: actor.face, lane: null, state: 'pending', attempt: 0 },
    maxAttempts: ports.kinds.get(kind)?.policy.attempts ?? 1,
    ...{ requestedAt: now, startedAt: null, finishedAt: null, requestedBy: actor, worker: null, progress: null },
    waitingFor: {
      reason: 'start',
      detail: 'accepted; the view of this node does not show it yet',
      since: now,
      until: null,
      operation: null,
    },
    ...{
      input: input as never,
      result: null,
      error: null,
      labels: {},
      limits: [],
      targets: null,
      schedule: null,
      slot: null,
      correlationId,
      parent: null,
      retryOf: null,
      revision: 0,
    },
    position: c.caused.position ?? '0',
  }
}

/** Answers an accepted request with the new operation. */
export const acceptedAnswer = (
  c: HttpContext,
  ports: HttpPorts,
  { id, kind, waited }: { readonly id: string; readonly kind: string; readonly waited: number | undefined },
): Reply => {
  // The input of an operation that the view does not know is not repeated: it may hold secrets.
  const operation = ports.operations(c.known).byId(id) ?? justRequested(c, ports, id, kind, {})
  caused(c, { operationId: id })
  const applied = waited === undefined ? {} : { 'Preference-Applied': `wait=${waited}` }
  return operationAnswer(operation, waited !== undefined && hasEnded(operation) ? 200 : 202, {
    Location: `/v1/operations/${id}`,
    ...applied,
  })
}
