import { RevisionConflict } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { EventLog } from './event-log.ts'

/** A key stream, so that no listing shows it and no copy of the log takes it along. */
const stream = 'key-log-identity'

/** The log's own UUID; whoever asks an unnamed log first names it. */
export const logIdentity = async (log: EventLog): Promise<string> => {
  for await (const { data } of log.readStream(stream, { limit: 1 })) return String(data.identity)
  const identity = newId()
  const metadata = { correlationId: identity, actor: { principal: 'system', face: null, address: null }, schema: 1 }
  try {
    await log.append(stream, 'noStream', [{ id: identity, type: 'LogIdentified', data: { identity }, metadata }])
    return identity
  } catch (error) {
    if (error instanceof RevisionConflict) return logIdentity(log)
    throw error
  }
}
