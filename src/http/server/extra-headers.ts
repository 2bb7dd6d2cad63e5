import type { HttpContext } from '../faces/http-context.ts'
import { etag } from '../replies/entity-tags.ts'

/** Headers that the server adds to what a route answered; a route that set one itself knows better. */
export const extraHeaders = ({ caused, traceparent }: HttpContext): Record<string, string> => {
  const { position, operationId, revision } = caused
  const headers: Record<string, string> = { traceparent }
  if (position != null) headers['Event-Position'] = position
  if (operationId !== undefined) headers['Operation-Id'] = operationId
  if (revision !== undefined) headers.ETag = etag(revision)
  return headers
}
