import { dueAt, firingId, nextSlot, nextSlots, type Standing } from '../commands/schedules/slots.ts'
import { operationOf, operationPrefix } from '../events/operation.ts'
import type { ScheduleDefinition, ScheduleEvent } from '../events/schedule.ts'
import { schedulePrefix } from '../events/schedule.ts'
import { masked, sealedIn } from '../events/sealed.ts'
import { instant, parseInstant } from '../lib/clock.ts'
import type { JsonValue } from '../lib/json.ts'
import type { RecordedEvent } from '../stores/event-log.ts'
import type { Projection, Tx, Views } from './projection.ts'

interface Row {
  readonly id: number
  readonly stream: string
  /** Empty for those of the native API. */
  readonly owner: string
  readonly name: string
  readonly uid: string
  /** JSON, without the input. */
  readonly definition: string
  readonly paused: number
  readonly anchor: number
  readonly since: number
  readonly handled: number | null
  readonly fired_at: number | null
  readonly last: string | null
  /** The first slot that was not handled and when it is to be fired; null where none follows. */
  readonly slot: number | null
  readonly due: number | null
  readonly has_secrets: number
  readonly defined_by: string
  readonly revision: number
  readonly version: number
}

/**
 * Every schedule with its next slot. Firings are known from the operations themselves, so that a slot is fired by one append. `due` is an
 * index over all of them: whoever fires asks for the first. `version` counts what changed the resource: the stream's events and the firings.
 */
export const schedules: Projection = {
  name: 'schedules',
  version: 1,
  filter: { streamPrefixes: [schedulePrefix, operationPrefix] },
  schema: [
    `CREATE TABLE schedules (
      id INTEGER PRIMARY KEY, stream TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL, definition TEXT NOT NULL,
      paused INTEGER NOT NULL, anchor INTEGER NOT NULL, since INTEGER NOT NULL, handled INTEGER, fired_at INTEGER, last TEXT,
      slot INTEGER, due INTEGER, has_secrets INTEGER NOT NULL, defined_by TEXT NOT NULL, revision INTEGER NOT NULL, version INTEGER NOT NULL,
      UNIQUE (owner, name)
    ) STRICT`,
    // Apart from the row, because it is large and a row is rewritten as a whole.
    `CREATE TABLE schedule_inputs (id INTEGER PRIMARY KEY, input TEXT NOT NULL) STRICT`,
    // A name that is free again: a tag of the schedule before is none of the next one.
    `CREATE TABLE former_schedules (stream TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
    `CREATE INDEX due_schedules ON schedules (due) WHERE due IS NOT NULL AND paused = 0`,
  ],
  apply: (event, tx) => {
    if (event.type === 'OperationRequested') noteFiring(event, tx)
    else if (event.stream.startsWith(schedulePrefix)) change(event as RecordedEvent & ScheduleEvent, tx)
  },
}

const change = (event: RecordedEvent & ScheduleEvent, tx: Tx): void => {
  const { type, data, stream, id: defined_by, revision } = event
  if (type === 'ScheduleCreated') {
    const { uid, name, owner, definition, paused } = data
    const former = tx.get<{ version: number }>(`DELETE FROM former_schedules WHERE stream = ? RETURNING version`, stream)
    const since = parseInstant(data.from)
    tx.run(
      `INSERT INTO schedules (stream, owner, name, uid, definition, paused, anchor, since, has_secrets, defined_by, revision, version)
       VALUES (?, ?, ?, ?, '', ?, ?, ?, 0, ?, ?, ?)`,
      ...[
        stream,
        owner ?? '',
        name,
        uid,
        Number(paused),
        since,
        since,
        defined_by,
        revision,
        former === undefined ? 0 : former.version + 1,
      ],
    )
    define(tx, byStream(tx, stream) as Row, definition)
    return
  }
  const row = byStream(tx, stream)
  if (row === undefined) return
  const next = { ...row, revision, version: row.version + 1 }
  switch (type) {
    case 'ScheduleReplaced': {
      const since = parseInstant(data.from)
      // One that counts from its last firing goes on counting from there.
      const fired_at = data.definition.afterLast ? row.fired_at : null
      const begun = { anchor: since, since, fired_at, defined_by, paused: Number(data.paused) }
      define(tx, { ...next, ...begun }, data.definition)
      return
    }
    case 'ScheduleDeleted':
      tx.run(`DELETE FROM schedule_inputs WHERE id = ?`, row.id)
      tx.run(`DELETE FROM schedules WHERE id = ?`, row.id)
      tx.run(`INSERT INTO former_schedules VALUES (?, ?)`, stream, next.version)
      return
    default:
      put(tx, { ...next, ...moved(row, event) })
  }
}

type Moved = Extract<
  ScheduleEvent,
  { readonly type: 'SchedulePaused' | 'ScheduleResumed' | 'ScheduleRestarted' | 'ScheduleSlotSkipped' }
>

/** What these events change of a row. */
const moved = ({ handled }: Row, { type, data }: Moved): Partial<Row> => {
  switch (type) {
    case 'SchedulePaused':
      return { paused: 1 }
    case 'ScheduleResumed':
      return { paused: 0, since: parseInstant(data.from) }
    case 'ScheduleRestarted': {
      const since = parseInstant(data.from)
      return { anchor: since, since, handled: null, fired_at: null }
    }
    case 'ScheduleSlotSkipped': {
      const last = JSON.stringify({ slot: data.slot, operation: null, skipped: data.reason })
      return { last, handled: Math.max(handled ?? 0, parseInstant(data.slot)) }
    }
  }
}

const define = (tx: Tx, row: Row, { input, ...definition }: ScheduleDefinition): void => {
  tx.run(`INSERT OR REPLACE INTO schedule_inputs VALUES (?, ?)`, row.id, JSON.stringify(masked(input as JsonValue)))
  put(tx, { ...row, definition: JSON.stringify(definition), has_secrets: Number(sealedIn(input).length > 0) })
}

/** An operation that a schedule asked for: at a slot, or because somebody wanted it to run now. */
const noteFiring = ({ data, stream, recordedAt }: RecordedEvent, tx: Tx): void => {
  const { schedule, slot, face } = data
  if (typeof schedule !== 'string' || typeof slot !== 'string') return
  const row = tx.get<Row>(`SELECT * FROM schedules WHERE owner = ? AND name = ?`, String(face ?? ''), schedule)
  if (row === undefined) return
  const operation = operationOf({ stream })
  const next = { ...row, version: row.version + 1, last: JSON.stringify({ slot, operation, skipped: null }) }
  const at = parseInstant(slot)
  put(
    tx,
    firingId(row.uid, at) === operation
      ? { ...next, handled: Math.max(row.handled ?? 0, at), fired_at: parseInstant(recordedAt) }
      : next,
  )
}

const put = (tx: Tx, row: Row): void => {
  const standing = standingOf(row)
  const slot = nextSlot(standing) ?? null
  tx.run(
    `UPDATE schedules SET definition = ?, paused = ?, anchor = ?, since = ?, handled = ?, fired_at = ?, last = ?, slot = ?, due = ?,
       has_secrets = ?, defined_by = ?, revision = ?, version = ? WHERE id = ?`,
    ...[row.definition, row.paused, row.anchor, row.since, row.handled, row.fired_at, row.last],
    ...[slot, slot === null ? null : dueAt(standing, slot)],
    ...[row.has_secrets, row.defined_by, row.revision, row.version, row.id],
  )
}

const byStream = (tx: Tx, stream: string): Row | undefined => tx.get<Row>(`SELECT * FROM schedules WHERE stream = ?`, stream)

const standingOf = ({ uid, definition, anchor, since, handled, fired_at: firedAt }: Row): Standing => ({
  uid,
  timing: JSON.parse(definition),
  anchor,
  since,
  handled,
  firedAt,
})

/** What `GET /v1/schedules/{name}` shows. Source: native contract, section 11. */
export interface ScheduleResource extends Omit<ScheduleDefinition, 'afterLast' | 'wholePolicy'> {
  readonly name: string
  readonly paused: boolean
  readonly next: readonly string[]
  readonly last: { readonly slot: string; readonly operation: string | null; readonly skipped: string | null } | null
}

export interface FoundSchedule {
  readonly resource: ScheduleResource
  readonly uid: string
  /** Of the stream: what a write pins. */
  readonly revision: number
  /** Of the resource: its tag. */
  readonly version: number
}

type WithoutInput = Omit<ScheduleDefinition, 'input'>

/** A schedule of a list; reckoning its times is put off. */
interface ListedSchedule {
  shown(now: number): FoundSchedule
}

/** A schedule whose next slot is due. */
export interface DueSchedule extends Standing {
  readonly id: number
  readonly due: number
  readonly slot: number
  readonly key: { readonly owner: string | null; readonly name: string }
  readonly definition: WithoutInput
  /** The input stands in the stream alone. */
  readonly hasSecrets: boolean
  /** The event that the definition is from. */
  readonly definedBy: string
}

const shownTimes = 10

export const scheduleResource = ({
  name,
  definition: { kind, afterLast: _afterLast, wholePolicy: _wholePolicy, ...members },
  input,
  paused,
  standing,
  now,
  last = null,
}: {
  readonly name: string
  readonly definition: WithoutInput
  /** With secrets masked. */
  readonly input: JsonValue
  readonly paused: boolean
  readonly standing: Standing
  readonly now: number
  /** JSON. */
  readonly last?: string | null
}): ScheduleResource => ({
  name,
  kind,
  input: input as never,
  ...members,
  paused,
  next: nextSlots(paused ? { ...standing, since: Math.max(standing.since, now) } : standing, shownTimes).map(instant),
  last: last === null ? null : JSON.parse(last),
})

export const scheduleQueries = (views: Views) => {
  const inputOf = (id: number): string =>
    views.get<{ input: string }>(`SELECT input FROM schedule_inputs WHERE id = ?`, id)?.input ?? 'null'

  const shown = (row: Row, input: string, now: number): FoundSchedule => {
    const standing = standingOf(row)
    const { name, paused, last, uid, revision, version } = row
    const definition: WithoutInput = JSON.parse(row.definition)
    return {
      resource: scheduleResource({ name, definition, input: JSON.parse(input), paused: paused === 1, standing, now, last }),
      uid,
      revision,
      version,
    }
  }

  return {
    byName: (name: string, now: number): FoundSchedule | undefined => {
      const row = views.get<Row>(`SELECT * FROM schedules WHERE owner = '' AND name = ?`, name)
      return row && shown(row, inputOf(row.id), now)
    },
    /** Those of the native API, in the order of their names. */
    list: (after: string, limit: number): readonly ListedSchedule[] =>
      views
        .all<Row & { readonly input: string }>(
          `SELECT * FROM schedules JOIN schedule_inputs USING (id) WHERE owner = '' AND name > ? ORDER BY name LIMIT ?`,
          after,
          limit,
        )
        .map((row) => ({ shown: (now) => shown(row, row.input, now) })),
    /** Whose slots are due at `now`, in pages by the time at which they are due. */
    due: (now: number, limit: number, after: Pick<DueSchedule, 'due' | 'id'> = { due: -1, id: 0 }): readonly DueSchedule[] =>
      views
        .all<Row>(
          `SELECT * FROM schedules WHERE due IS NOT NULL AND paused = 0 AND due <= ? AND (due, id) > (?, ?) ORDER BY due, id LIMIT ?`,
          now,
          after.due,
          after.id,
          limit,
        )
        .map(dueSchedule),
    /** When the first slot is due after an instant; undefined where none is. */
    nextDueAt: (after: number): number | undefined =>
      views.get<{ at: number | null }>(
        `SELECT min(due) AS at FROM schedules WHERE due IS NOT NULL AND paused = 0 AND due > ?`,
        after,
      )?.at ?? undefined,
    /** Intervals whose next slot lies further ahead than they are long: the clock was set back. */
    intervalsAhead: (now: number, toleranceMs: number, limit: number): readonly DueSchedule[] =>
      views
        .all<Row>(
          `SELECT * FROM schedules WHERE paused = 0 AND slot > ? AND slot - ifnull(definition ->> 'everyMs', slot) > ? LIMIT ?`,
          now,
          now + toleranceMs,
          limit,
        )
        .map(dueSchedule),
    /** The names of the schedules that a face keeps for itself, of those that begin with a text. */
    ownNames: (owner: string, beginning: string): readonly string[] =>
      views
        .all<{ name: string }>(
          `SELECT name FROM schedules WHERE owner = ? AND name >= ? AND name < ? ORDER BY name`,
          ...[owner, beginning, `${beginning}\u{10ffff}`],
        )
        .map(({ name }) => name),
    /** With secrets masked. */
    inputOf: (id: number): JsonValue => JSON.parse(inputOf(id)),
  }
}

const dueSchedule = (row: Row): DueSchedule => ({
  ...standingOf(row),
  id: row.id,
  due: row.due ?? 0,
  slot: row.slot ?? 0,
  key: { owner: row.owner === '' ? null : row.owner, name: row.name },
  definition: JSON.parse(row.definition),
  hasSecrets: row.has_secrets === 1,
  definedBy: row.defined_by,
})
