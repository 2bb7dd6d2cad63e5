import type { Clock } from '../../lib/clock.ts'
import { RevisionConflict } from '../../lib/errors.ts'
import { derivedId } from '../../lib/ids.ts'
import { within } from '../../lib/time-limit.ts'
import type { Appender } from './append/append.ts'
import type { EventStoreDbConnection } from './client.ts'
import { faultOf, isFinal, unavailable } from './faults.ts'
import type { Reader } from './read/reader.ts'

/** A system type: readers never get it. */
const lastType = '$forgotten'
const tries = 10
const retryMs = 100

/**
 * Deletes a key stream: no read shows it from then on. The bytes are gone after the server's next scavenge of the chunk that holds them.
 * A scavenge keeps the last event of every deleted stream, for its revision; so an empty event is put behind the keys before.
 */
export const createForget = ({
  connection,
  appender,
  reader,
  appendTimeoutMs,
  clock,
}: {
  readonly connection: EventStoreDbConnection
  readonly appender: Appender
  readonly reader: Reader
  readonly appendTimeoutMs: number
  readonly clock: Clock
}) => {
  const { client, callOptions } = connection
  const once = async (stream: string): Promise<void> => {
    const [last] = (await reader.stream(stream, { from: 'end', backwards: true, limit: 1 })).events
    if (last === undefined) return
    let { revision } = last
    if (last.type !== lastType) {
      const id = derivedId(lastType, stream, revision)
      const metadata = { $correlationId: id, actor: { principal: 'system', face: null, address: null }, schema: 1 }
      const event = { id, type: lastType, data: '{}', metadata: JSON.stringify(metadata) }
      revision = (await appender.append({ kind: 'append', stream, expected: revision, events: [event], size: 0 })).revision
    }
    const options = { ...callOptions, expectedRevision: BigInt(revision), deadline: appendTimeoutMs }
    await within({ clock, ms: appendTimeoutMs }, client.deleteStream(stream, options))
  }

  /** After a failure the whole call is repeated: deleted streams are not found again. */
  return async (stream: string): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      try {
        await once(stream)
        return
      } catch (error) {
        const moved = error instanceof RevisionConflict || faultOf(error) === 'wrong-expected-version'
        if (attempt >= tries || (!moved && isFinal(error)))
          throw unavailable(connection, `did not delete ${stream}`, error, `delete ${stream}`)
      }
      await clock.sleep(retryMs)
    }
  }
}
