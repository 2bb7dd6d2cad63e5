import type { Logger } from 'pino'
import type { EventOf } from '../../events/define.ts'
import type { leaseEvents } from '../../events/lease.ts'
import { newId } from '../../lib/ids.ts'
import type { EventLog, NewEvent, RecordedEvent } from '../event-log.ts'
import type { EventStoreDbConnection } from './client.ts'

type LeaseEvent = EventOf<typeof leaseEvents>

/** An event of a lease stream, ready to be appended. */
export const leaseEvent = ({ type, data }: LeaseEvent): NewEvent => {
  const id = newId()
  const actor = { principal: 'system', face: null, address: null }
  return { id, type, data, metadata: { correlationId: id, actor, schema: 1 } }
}

/** The last event of a stream; undefined for one that has none. */
export const lastEvent = async (log: Pick<EventLog, 'readStream'>, stream: string): Promise<RecordedEvent | undefined> => {
  for await (const event of log.readStream(stream, { from: 'end', backwards: true, limit: 1 })) return event
  return undefined
}

/** Lets the server forget what is old. A stream that grows works as well, so a failure is only told. */
export const keepShort = async ({
  connection,
  stream,
  logger,
  metadata,
}: {
  readonly connection: Pick<EventStoreDbConnection, 'client' | 'callOptions'>
  readonly stream: string
  readonly logger: Logger
  readonly metadata: { readonly maxAge?: number; readonly maxCount: number }
}): Promise<void> => {
  const { client, callOptions } = connection
  try {
    const { metadata: current } = await client.getStreamMetadata(stream, callOptions)
    if (current?.maxCount === metadata.maxCount && current.maxAge === metadata.maxAge) return
    await client.setStreamMetadata(stream, metadata, callOptions)
  } catch (error) {
    logger.warn({ err: error, stream }, 'how long the server keeps this stream could not be set')
  }
}
