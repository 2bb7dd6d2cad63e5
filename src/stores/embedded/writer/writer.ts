import type { DatabaseSync } from 'node:sqlite'
import { messageOf, Unavailable } from '../../../lib/errors.ts'
import type { AppendRequest } from '../../encode-append.ts'
import type { Expected } from '../../event-log.ts'
import { createWalGauge } from '../../files/wal-gauge.ts'
import { isHidden } from '../../hidden-streams.ts'
import { checksum } from '../damage/checksum.ts'
import { lastPosition } from '../schema.ts'
import { holdsTwice } from './stale-copies.ts'
import type { Batch, BatchResult, WriteRequest, WriteResult } from './write-requests.ts'

/** Streams whose last revision is remembered, so that most appends read nothing. */
const rememberedStreams = 10_000

/**
 * How many of a stream's last events a repeated append is looked for when it expects `any` or `streamExists`. With an
 * explicit expected revision the place to look is known, and a repetition is recognised for ever.
 */
const repetitionWindow = 128

/** No checkpoint takes this long. */
const copyingMs = 5_000
const pause = new Int32Array(new SharedArrayBuffer(4))

/** The only one who writes: takes a batch, commits it with one flush, and tells what became of each request. */
export interface Writer {
  /** Never throws: what failed says so in its result. */
  write(batch: Batch): BatchResult
  /** The last position that is on disk, as far as the writer knows. */
  last(): number
  close(): void
}

export interface WriterOptions {
  /** Makes the connection; called again after a failure where `reopens` is set. */
  readonly open: () => DatabaseSync
  /** A connection in an unknown state is not trusted; memory alone has no other. */
  readonly reopens: boolean
  /** The last position that somebody was told of: a log that ends before it is refused. */
  readonly acknowledged?: number
}

interface Known {
  readonly id: number
  revision: number
}

type Statements = ReturnType<typeof prepare>

interface Connection {
  readonly db: DatabaseSync
  readonly sql: Statements
  hasWalGrown(): boolean
}

/** Throws `Unavailable` and whatever SQLite throws when the log cannot be opened. */
export const createWriter = ({ open, reopens, acknowledged = 0 }: WriterOptions): Writer => {
  let connection: Connection | undefined
  let committed = acknowledged
  let position = committed
  const streams = new Map<string, Known>()

  const ready = (): Connection => {
    if (connection !== undefined) return connection
    const db = open()
    try {
      // A file that lost acknowledged events (deleted, replaced by an older copy) must not be written to as if all were well.
      const last = lastPosition(db)
      if (last < committed) throw new Unavailable(`the log ends at ${last} although ${committed} was acknowledged`)
      const sql = prepare(db)
      committed = last
      position = last
      connection = { db, sql, hasWalGrown: createWalGauge(db) }
      return connection
    } catch (error) {
      db.close()
      throw error
    }
  }

  /** After a failure nothing that was remembered is believed. */
  const recover = (): void => {
    streams.clear()
    position = committed
    const failed = connection?.db
    if (reopens) connection = undefined
    try {
      if (failed?.isTransaction) failed.exec('ROLLBACK')
      if (reopens) failed?.close()
    } catch {
      // The connection is given up either way; the next batch opens another.
    }
  }

  const remember = (name: string, known: Known): void => {
    if (streams.size >= rememberedStreams) {
      // Oldest first: a Map keeps the order of insertion.
      let excess = rememberedStreams / 10
      for (const old of streams.keys()) {
        if (excess-- <= 0) break
        streams.delete(old)
      }
    }
    streams.set(ownCopy(name), known)
  }

  const find = (sql: Statements, name: string): Known | undefined => {
    const remembered = streams.get(name)
    if (remembered !== undefined) return remembered
    const row = sql.streamId.get(name) as unknown as [id: number] | undefined
    if (row === undefined) return undefined
    const [revision] = sql.lastRevision.get(row[0]) as unknown as [revision: number]
    const known = { id: row[0], revision }
    remember(name, known)
    return known
  }

  /** The result of a repetition of something that is recorded already, if it is one. */
  const repetition = (sql: Statements, known: Known, { expected, events }: AppendRequest): WriteResult | undefined => {
    const place = typeof expected === 'number' ? expected + 1 : expected === 'noStream' ? 0 : undefined
    const from = place ?? Math.max(0, known.revision + 1 - repetitionWindow)
    const limit = place === undefined ? repetitionWindow : events.length
    const recorded = sql.ids.all(known.id, from, limit) as unknown as [id: string, position: number][]
    const start = place === undefined ? recorded.findIndex(([id]) => id === events[0]?.id) : 0
    if (start < 0 || start + events.length > recorded.length) return undefined
    if (events.some(({ id }, index) => recorded[start + index]?.[0] !== id)) return undefined
    const end = start + events.length - 1
    return { done: 'repeated', revision: from + end, position: recorded[end]?.[1] as number }
  }

  const append = (sql: Statements, request: AppendRequest, recordedAt: number): WriteResult => {
    const { stream, expected, events } = request
    let known = find(sql, stream)
    const actual = known?.revision ?? -1
    const fits = holds(expected, actual)
    if (known !== undefined && (!fits || typeof expected === 'string')) {
      const repeated = repetition(sql, known, request)
      if (repeated !== undefined) return repeated
    }
    if (!fits) return { done: 'conflict', actual }
    if (known === undefined) {
      const { lastInsertRowid } = sql.addStream.run(stream, isHidden(stream) ? 1 : 0)
      known = { id: Number(lastInsertRowid), revision: -1 }
      remember(stream, known)
    }
    const at = { stream, recordedAt: request.recordedAt ?? recordedAt }
    for (const event of events) {
      const { id, type, data, metadata } = event
      position += 1
      known.revision += 1
      const { revision } = known
      const sum = checksum(event, { ...at, revision, position })
      sql.addEvent.run(position, known.id, revision, type, id, data, metadata, at.recordedAt, sum)
    }
    return { done: 'appended', revision: known.revision, position }
  }

  /** All of them in one transaction, so that one flush serves them all. */
  const appendAll = (requests: readonly AppendRequest[], recordedAt: number): WriteResult[] => {
    const { db, sql } = ready()
    db.exec('BEGIN IMMEDIATE')
    const results = requests.map((request) => append(sql, request, recordedAt))
    db.exec('COMMIT')
    committed = position
    return results
  }

  const forget = (stream: string): WriteResult => {
    const { db, sql } = ready()
    const known = find(sql, stream)
    // Before the deletion: killed behind it, a repetition would not know what to look for.
    if (known !== undefined) scrub(db, (sql.texts.all(known.id) as unknown as readonly [data: string][]).flat())
    db.exec('BEGIN IMMEDIATE')
    if (known !== undefined) {
      sql.raiseFloor.run(position)
      sql.deleteEvents.run(known.id)
      sql.deleteStream.run(known.id)
    }
    db.exec('COMMIT')
    streams.delete(stream)
    // The write-ahead log still holds the old pages: only an emptied one has forgotten. Also where nothing was deleted now,
    // because this may repeat a call that failed just here.
    return emptyWal(db)
      ? { done: 'forgotten' }
      : { done: 'failed', message: 'the write-ahead log is being read and could not be emptied' }
  }

  /** Changes nothing, and is on disk like an append when it is answered. */
  const probe = (): WriteResult => {
    const { db, sql } = ready()
    db.exec('BEGIN IMMEDIATE')
    sql.touchFloor.run()
    db.exec('COMMIT')
    return { done: 'forgotten' }
  }

  const guarded = (count: number, work: () => WriteResult[]): WriteResult[] => {
    try {
      return work()
    } catch (error) {
      recover()
      return Array.from({ length: count }, () => ({ done: 'failed', message: messageOf(error) }))
    }
  }

  ready()
  return {
    last: () => committed,
    write: ({ requests, recordedAt }) => {
      const results: WriteResult[] = []
      for (const run of runsOf(requests)) {
        const [first] = run
        if (first?.kind === 'forget') results.push(...guarded(1, () => [forget(first.stream)]))
        else if (first?.kind === 'probe') results.push(...guarded(1, () => [probe()]))
        else results.push(...guarded(run.length, () => appendAll(run as readonly AppendRequest[], recordedAt)))
      }
      return { results, last: committed, walGrown: connection?.hasWalGrown() ?? false }
    },
    close: () => connection?.db.close(),
  }
}

/** A name that was cut out of a batch keeps the batch's whole text in memory; 10,000 of them kept 30 MiB. */
const ownCopy = (name: string): string => ` ${name}`.slice(1)

/** False where somebody reads it for too long. SQLite waits for readers by itself, but not for a thread that copies the log at this moment. */
const emptyWal = (db: DatabaseSync): boolean => {
  const end = performance.now() + copyingMs
  for (;;) {
    if (db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.busy !== 1) return true
    if (performance.now() >= end) return false
    Atomics.wait(pause, 0, 0, 10)
  }
}

/**
 * Sees to it that the texts stand nowhere but in their rows: writes the whole file anew where a copy was left behind, which is rare, or where
 * nobody can tell because the write-ahead log is being read.
 */
const scrub = (db: DatabaseSync, texts: readonly string[]): void => {
  const path = db.location()
  if (path === null) return
  if (!emptyWal(db) || holdsTwice(path, texts)) db.exec('VACUUM')
}

const holds = (expected: Expected, actual: number): boolean => {
  switch (expected) {
    case 'any':
      return true
    case 'noStream':
      return actual === -1
    case 'streamExists':
      return actual >= 0
    default:
      return actual === expected
  }
}

/** Cuts a batch into stretches of appends and single other requests, in order. */
const runsOf = (requests: readonly WriteRequest[]): WriteRequest[][] => {
  const runs: WriteRequest[][] = []
  for (const request of requests) {
    const run = runs.at(-1)
    if (run !== undefined && request.kind === 'append' && run[0]?.kind === 'append') run.push(request)
    else runs.push([request])
  }
  return runs
}

const prepare = (db: DatabaseSync) => {
  const rows = { returnArrays: true }
  return {
    streamId: db.prepare('SELECT id FROM streams WHERE name = ?', rows),
    lastRevision: db.prepare('SELECT ifnull(max(revision), -1) FROM events WHERE stream = ?', rows),
    ids: db.prepare('SELECT id, position FROM events WHERE stream = ? AND revision >= ? ORDER BY revision LIMIT ?', rows),
    addStream: db.prepare('INSERT INTO streams (name, hidden) VALUES (?, ?)'),
    addEvent: db.prepare(
      'INSERT INTO events (position, stream, revision, type, id, data, metadata, recorded_at, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    raiseFloor: db.prepare('UPDATE floor SET position = ?'),
    touchFloor: db.prepare('UPDATE floor SET position = position'),
    texts: db.prepare('SELECT data FROM events WHERE stream = ?', rows),
    deleteEvents: db.prepare('DELETE FROM events WHERE stream = ?'),
    deleteStream: db.prepare('DELETE FROM streams WHERE id = ?'),
  }
}
