import { etag } from './conditional.ts'
import type { RequestState } from './context.ts'

/** Headers that the server adds to what a route answered; a route that set one itself knows better. */
export const extraHeaders = (headers: Headers, { caused, command }: RequestState): void => {
  const { position, operationId, revision } = caused
  headers.set('traceparent', command.traceparent ?? '')
  if (position != null && !headers.has('event-position')) headers.set('Event-Position', position)
  if (operationId !== undefined && !headers.has('operation-id')) headers.set('Operation-Id', operationId)
  if (revision !== undefined && !headers.has('etag')) headers.set('ETag', etag(revision))
}
