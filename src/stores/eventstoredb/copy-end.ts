import type { AllStreamResolvedEvent } from '@eventstore/db-client'
import type { Clock } from '../../lib/clock.ts'
import { RevisionConflict } from '../../lib/errors.ts'
import { isCopied, type LogEnd, LogsDiffer } from '../copy/copy-end.ts'
import { maxAppendBytes } from '../encode-append.ts'
import { origin, type Position, type RecordedEvent } from '../event-log.ts'
import { isKeyStream } from '../hidden-streams.ts'
import { unavailable } from './faults.ts'
import type { CopiedAppend } from './log.ts'
import type { OpenedEventStoreDb } from './open-connection.ts'
import { fromPosition, toPosition } from './positions.ts'
import { collect } from './read/collect.ts'
import { isSystemType, toRecorded } from './read/stored-metadata.ts'

const pageEvents = 512
const idleMs = 10_000
/** Events in one append. */
const mostTogether = 500

/** A log on EventStoreDB as one end of a copy; `close` closes the connection. */
export const openEventStoreDbLogEnd = async ({
  opened,
  clock,
}: {
  readonly opened: OpenedEventStoreDb
  readonly clock: Clock
}): Promise<LogEnd> => {
  const { client, callOptions, server, log } = opened
  const head = await log.head()

  const readPage = async (after: Position): Promise<readonly AllStreamResolvedEvent[]> => {
    const found: AllStreamResolvedEvent[] = []
    const source = client.readAll({ ...callOptions, fromPosition: fromPosition(after), maxCount: pageEvents })
    const take = (item: AllStreamResolvedEvent): boolean => {
      found.push(item)
      return false
    }
    try {
      await collect<AllStreamResolvedEvent>({ source, cancel: () => source.cancel(), take, idleMs, clock }).outcome
    } catch (error) {
      throw unavailable(opened, 'cannot be read', error, 'read $all')
    }
    return found
  }

  /** What has been forgotten stays readable here until a scavenge: only what the stream itself still shows is real. */
  const revisionsOf = async (stream: string): Promise<ReadonlyMap<string, number>> => {
    const ids = new Map<string, number>()
    for await (const { id } of log.readStream(stream)) ids.set(id, ids.size)
    return ids
  }

  async function* events({ after = origin, everything = false } = {}): AsyncGenerator<RecordedEvent> {
    const keys = new Map<string, ReadonlyMap<string, number>>()
    let low = after
    // Asked for while the page before is worked on.
    for (let next = readPage(low); ; ) {
      const found = await next
      const last = found.at(-1)?.event
      const end = found.length < pageEvents || last === undefined
      if (!end) {
        next = readPage(toPosition(last.position))
        next.catch(() => undefined)
      }
      for (const { event } of found) {
        if (event === undefined) continue
        const position = toPosition(event.position)
        // The place where a page begins is given once more.
        if (position <= low) continue
        if (!everything && position > head) return
        low = position
        const { streamId: stream } = event
        if (isSystemType(event.type) || !isCopied(stream)) continue
        const recorded = toRecorded(event)
        if (!isKeyStream(stream)) {
          yield recorded
          continue
        }
        const revisions = keys.get(stream) ?? (await revisionsOf(stream))
        keys.set(stream, revisions)
        const revision = revisions.get(event.id)
        if (revision !== undefined) yield { ...recorded, revision }
      }
      if (end) return
    }
  }

  const appendOf = (events: readonly RecordedEvent[]): readonly CopiedAppend[] => {
    const [first] = events
    if (first === undefined) return []
    const { stream, revision } = first
    // A key stream that was forgotten here goes on with the revisions of the forgotten one.
    const expected = revision === 0 ? 'noStream' : isKeyStream(stream) ? 'streamExists' : revision - 1
    return [{ stream, expected, events }]
  }

  const append = async (copied: readonly RecordedEvent[]): Promise<void> => {
    try {
      await log.appendCopied(runsOf(copied).flatMap(appendOf))
    } catch (error) {
      if (error instanceof RevisionConflict) throw new LogsDiffer(`${server}: ${error.message}`)
      throw error
    }
  }

  return {
    name: server,
    events,
    append,
    forget: (stream) => log.forget(stream),
    share: (position) => {
      if (position === origin) return 0
      const [at, end] = [fromPosition(position), fromPosition(head)]
      return at === 'start' || end === 'start' || end.commit === 0n ? 1 : Math.min(1, Number(at.commit) / Number(end.commit))
    },
    close: () => opened.close(),
  }
}

/** Stretches of consecutive events of one stream, as large as one append may be. */
const runsOf = (events: readonly RecordedEvent[]): readonly (readonly RecordedEvent[])[] => {
  const runs: RecordedEvent[][] = []
  let bytes = 0
  for (const event of events) {
    const run = runs.at(-1)
    const size = Buffer.byteLength(JSON.stringify(event.data))
    const last = run?.at(-1)
    if (run !== undefined && last?.stream === event.stream && run.length < mostTogether && bytes + size <= maxAppendBytes) {
      run.push(event)
      bytes += size
    } else {
      runs.push([event])
      bytes = size
    }
  }
  return runs
}
