import { parseInstant } from '../../lib/clock.ts'
import { type EventLog, origin, type Position, type RecordedEvent } from '../../stores/event-log.ts'
import type { Fold, Projection, Tx, Views } from '../projection.ts'

interface MomentRow {
  readonly at: number
  readonly position: Position
}

/**
 * When the log was where: one row for each second in which something was recorded. Clocks step back and the order of the log wins, so the
 * instant of a row is the latest `recordedAt` up to there, in milliseconds since the epoch.
 */
export const moments: Projection = {
  name: 'moments',
  version: 1,
  filter: { streamPrefixes: [''] },
  schema: [`CREATE TABLE moments (at INTEGER PRIMARY KEY, position TEXT NOT NULL UNIQUE) STRICT`],
  apply: (event, tx) => createFold(tx).apply(event),
  fold: (tx) => createFold(tx),
}

const secondOf = (at: number): number => Math.floor(at / 1000)

const createFold = (tx: Tx): Fold => {
  let latest: number | undefined
  const latestOf = (): number =>
    tx.get<{ at: number }>(`SELECT at FROM moments ORDER BY at DESC LIMIT 1`)?.at ?? Number.NEGATIVE_INFINITY
  return {
    apply: ({ recordedAt, position }: RecordedEvent) => {
      latest ??= latestOf()
      const at = parseInstant(recordedAt)
      if (secondOf(at) <= secondOf(latest)) return
      latest = at
      tx.run(`INSERT INTO moments VALUES (?, ?)`, at, position)
    },
    relieve: () => {},
    write: () => {},
    discard: () => {
      latest = undefined
    },
    find: () => undefined,
  }
}

interface Times {
  readonly views: Views
  readonly log: EventLog
}

/**
 * Where the log ended at an instant: before the first event that was recorded later than it. Exact to the millisecond, by a read of
 * less than a second of the log.
 */
export const positionAt = async ({ views, log }: Times, at: number): Promise<Position> => {
  const row = views.get<MomentRow>(`SELECT at, position FROM moments WHERE at <= ? ORDER BY at DESC LIMIT 1`, at)
  let position = row?.position ?? origin
  for await (const event of log.readAll({ after: position })) {
    if (parseInstant(event.recordedAt) > at) break
    position = event.position
  }
  return position
}

/** When the last event up to a position was recorded, in milliseconds since the epoch; 0 where there is none. */
export const lastRecordedAt = async ({ views, log }: Times, position: Position): Promise<number> => {
  const row = views.get<MomentRow>(
    `SELECT at, position FROM moments WHERE position <= ? ORDER BY position DESC LIMIT 1`,
    position,
  )
  if (row === undefined) return 0
  let { at } = row
  for await (const event of log.readAll({ after: row.position })) {
    if (event.position > position) break
    at = parseInstant(event.recordedAt)
  }
  return at
}
