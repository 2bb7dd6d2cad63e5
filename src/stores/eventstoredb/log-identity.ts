import { type BaseOptions, type EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { z } from 'zod'
import { Unavailable } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { faultOf } from './faults.ts'

/** A key stream, so that no listing shows it. */
const stream = 'key-log-identity'
const LogIdentified = z.object({ identity: z.uuid() })

/** The log's own UUID; whoever opens an unnamed log first names it. Throws what the client throws, and `Unavailable`. */
export const obtainIdentity = async (options: {
  readonly client: EventStoreDBClient
  readonly callOptions: BaseOptions
}): Promise<string> => {
  const known = await readIdentity(options)
  if (known !== undefined) return known
  const identity = newId()
  const actor = { principal: 'system', face: null, address: null }
  const event = jsonEvent({
    id: identity,
    type: 'LogIdentified',
    data: { identity },
    metadata: { $correlationId: identity, actor, schema: 1 },
  })
  try {
    await options.client.appendToStream(stream, event, { expectedRevision: 'no_stream', ...options.callOptions })
    return identity
  } catch (error) {
    if (faultOf(error) !== 'wrong-expected-version') throw error
  }
  // Another node was faster; the server refuses before it shows what it refuses for.
  const given = await readIdentity(options)
  if (given === undefined) throw new Unavailable('the log id is being created')
  return given
}

const readIdentity = async ({
  client,
  callOptions,
}: {
  readonly client: EventStoreDBClient
  readonly callOptions: BaseOptions
}): Promise<string | undefined> => {
  let identity: string | undefined
  try {
    // To its end, though it is one event: a call that is left early stays open in the client.
    for await (const { event } of client.readStream(stream, { maxCount: 1, ...callOptions }))
      if (event !== undefined) identity ??= LogIdentified.parse(event.data).identity
  } catch (error) {
    if (faultOf(error) !== 'stream-not-found') throw error
  }
  return identity
}
