import { jsonEvent } from '@eventstore/db-client'
import type { Logger } from 'pino'
import type { EventOf } from '../../../events/define.ts'
import type { leaseEvents } from '../../../events/lease.ts'
import type { Clock } from '../../../lib/clock.ts'
import { newId } from '../../../lib/ids.ts'
import { within } from '../../../lib/time-limit.ts'
import type { EventLog, NewEvent, RecordedEvent } from '../../event-log.ts'
import type { EventStoreDbConnection } from '../client.ts'
import { unavailable } from '../faults.ts'
import { toStoredMetadata } from '../read/stored-metadata.ts'

/** What leases and offices need of the connection. */
export type LeaseConnection = Pick<EventStoreDbConnection, 'client' | 'server' | 'caller' | 'callOptions'>

type LeaseEvent = EventOf<typeof leaseEvents>

/** An event of a lease stream, ready to be appended. */
export const leaseEvent = ({ type, data }: LeaseEvent): NewEvent => {
  const id = newId()
  const actor = { principal: 'system', face: null, address: null }
  return { id, type, data, metadata: { correlationId: id, actor, schema: 1 } }
}

/**
 * Appends without expecting anything, and answers with the revision. One call and no search for a repetition, because a lease said
 * twice is the same lease. Throws `Unavailable` when there is no answer within `ms`.
 */
export const sayLease = async ({
  connection,
  stream,
  event,
  ms,
  clock,
}: {
  readonly connection: LeaseConnection
  readonly stream: string
  readonly event: LeaseEvent
  readonly ms: number
  readonly clock: Clock
}): Promise<number> => {
  const { client, callOptions } = connection
  const { metadata, ...rest } = leaseEvent(event)
  const stored = jsonEvent({ ...rest, metadata: toStoredMetadata(metadata) })
  try {
    const call = client.appendToStream(stream, stored, { ...callOptions, expectedRevision: 'any', deadline: Math.ceil(ms) })
    return Number((await within({ clock, ms }, call)).nextExpectedRevision)
  } catch (error) {
    throw unavailable(connection, `did not take ${event.type}`, error, `append to ${stream}`)
  }
}

/** The last event of a stream; undefined for one that has none. */
export const lastEvent = async (log: Pick<EventLog, 'readStream'>, stream: string): Promise<RecordedEvent | undefined> => {
  let last: RecordedEvent | undefined
  // To its end, so that nothing of the call is left to be cancelled.
  for await (const event of log.readStream(stream, { from: 'end', backwards: true, limit: 1 })) last = event
  return last
}

/** More than enough for who reads the last one. */
const keptEvents = 20

/** Sets the retention of the stream. A stream that keeps growing works as well, so a failure is only logged. */
export const keepShort = async ({
  connection,
  stream,
  logger,
  metadata = { maxCount: keptEvents },
}: {
  readonly connection: LeaseConnection
  readonly stream: string
  readonly logger: Logger
  /** Default: a few of its newest events. */
  readonly metadata?: { readonly maxAge?: number; readonly maxCount: number }
}): Promise<void> => {
  const { client, callOptions } = connection
  try {
    const { metadata: current } = await client.getStreamMetadata(stream, callOptions)
    if (current?.maxCount === metadata.maxCount && current.maxAge === metadata.maxAge) return
    await client.setStreamMetadata(stream, metadata, callOptions)
  } catch (error) {
    logger.warn({ err: error, stream }, 'the retention of this stream could not be set')
  }
}
