import type { AllStreamRecordedEvent, RecordedEvent as ServerEvent } from '@eventstore/db-client'
import type { Metadata } from '../../../events/define.ts'
import { instant } from '../../../lib/clock.ts'
import { isObject, type JsonObject } from '../../../lib/json.ts'
import { origin, type RecordedEvent } from '../../event-log.ts'
import { toPosition } from '../positions.ts'

/** The member of the stored metadata in which a copied event keeps the time of its first recording, RFC 3339. */
const recordedAtMember = 'recordedAt'

/** Events that the server writes itself (metadata of streams, deletions) and marks of this adapter; readers never get them. */
export const isSystemType = (type: string): boolean => type.startsWith('$')

/**
 * Metadata as it is stored: the server's own tools follow `$correlationId` and `$causationId`. With `recordedAt` the event is told
 * to be from then, instead of from when the server took it.
 */
export const toStoredMetadata = (metadata: Metadata, recordedAt?: string): Metadata => {
  // A value that is not an object is refused when it is serialised.
  if (!isObject(metadata)) return metadata
  const { correlationId, causationId, ...rest } = metadata
  return {
    ...rest,
    ...(correlationId === undefined ? {} : { $correlationId: correlationId }),
    ...(causationId === undefined ? {} : { $causationId: causationId }),
    ...(recordedAt === undefined ? {} : { [recordedAtMember]: recordedAt }),
  } as unknown as Metadata
}

/** An event as the server gave it. What others wrote without our metadata or without JSON is shown as far as it can be. */
export const toRecorded = (event: ServerEvent | AllStreamRecordedEvent): RecordedEvent => {
  const stored: Record<string, unknown> =
    isObject(event.metadata) && !(event.metadata instanceof Uint8Array) ? event.metadata : {}
  const { $correlationId, $causationId, [recordedAtMember]: recordedAt, ...rest } = stored
  const metadata = {
    ...rest,
    correlationId: typeof $correlationId === 'string' ? $correlationId : event.id,
    ...(typeof $causationId === 'string' ? { causationId: $causationId } : {}),
    actor: rest.actor ?? { principal: 'unknown', face: null, address: null },
    schema: rest.schema ?? 1,
  } as Metadata
  return {
    id: event.id,
    type: event.type,
    data: event.isJson && isObject(event.data) ? (event.data as JsonObject) : {},
    metadata,
    stream: event.streamId,
    revision: Number(event.revision),
    position: event.position === undefined ? origin : toPosition(event.position),
    recordedAt: typeof recordedAt === 'string' ? recordedAt : instant(event.created.getTime()),
  }
}

/** Rough memory of an event, characters: cheap, and right where it is large. */
export const sizeOf = ({ data, metadata }: { readonly data: unknown; readonly metadata: unknown }): number =>
  weigh(data) + weigh(metadata)

const weigh = (value: unknown): number => {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 8
  let sum = 16
  for (const member of Array.isArray(value) ? value : Object.values(value)) sum += weigh(member)
  return sum
}
