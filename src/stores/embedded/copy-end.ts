import { parseInstant } from '../../lib/clock.ts'
import { Unavailable } from '../../lib/errors.ts'
import { isCopied, type LogEnd, LogsDiffer } from '../copy/copy-end.ts'
import { encodeAppend } from '../encode-append.ts'
import { origin, type RecordedEvent } from '../event-log.ts'
import { fromPosition } from './positions.ts'
import { type EventRow, eventColumns, toPlaced } from './reader.ts'
import { lastPosition, openWritingConnection } from './schema.ts'
import { createWriter } from './writer/writer.ts'

const pageEvents = 512

const page = `SELECT ${eventColumns}
  FROM events e CROSS JOIN streams s ON s.id = e.stream WHERE e.position > ? AND e.position <= ? ORDER BY e.position LIMIT ?`

/**
 * A log in a file as one end of a copy; it is made where it is missing. Whoever opens it holds the data directory. Throws what
 * SQLite throws, and `Unavailable` for a file of another version.
 */
export const openEmbeddedLogEnd = (path: string): LogEnd => {
  const db = openWritingConnection(path)
  const writer = createWriter({ open: () => db, reopens: false })
  const rows = db.prepare(page, { returnArrays: true })
  const opened = lastPosition(db)

  async function* events({ after = origin, everything = false } = {}): AsyncGenerator<RecordedEvent> {
    let low = fromPosition(after)
    const high = everything ? Number.MAX_SAFE_INTEGER : opened
    for (;;) {
      const found = rows.all(low, high, pageEvents) as unknown as EventRow[]
      for (const { sequence, event } of found.map(toPlaced)) {
        low = sequence
        if (isCopied(event.stream)) yield event
      }
      if (found.length < pageEvents) return
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  return {
    name: path,
    events,
    append: async (copied) => {
      const requests = copied.map((event) => {
        const { stream, revision, id, type, data, metadata, recordedAt } = event
        const request = encodeAppend(stream, revision === 0 ? 'noStream' : revision - 1, [{ id, type, data, metadata }])
        return { ...request, recordedAt: parseInstant(recordedAt) }
      })
      const { results } = writer.write({ recordedAt: 0, requests })
      results.forEach((result, index) => {
        const { stream, revision } = copied[index] ?? { stream: '', revision: 0 }
        if (result.done === 'conflict')
          throw new LogsDiffer(`${path}: ${stream} is at revision ${result.actual}, expected ${revision - 1}`)
        if (result.done === 'failed') throw new Unavailable(`the log ${path} cannot be written: ${result.message}`)
      })
    },
    forget: async (stream) => {
      const [result] = writer.write({ recordedAt: 0, requests: [{ kind: 'forget', stream, size: 0 }] }).results
      if (result?.done === 'failed') throw new Unavailable(`${stream} was not forgotten: ${result.message}`)
    },
    share: (position) => (opened === 0 ? 1 : Math.min(1, fromPosition(position) / opened)),
    close: async () => writer.close(),
  }
}
