import type { z } from 'zod'
import type { EventDefinition, EventOf } from '../events/define.ts'
import type { Filter, Position, RecordedEvent } from '../stores/event-log.ts'

/** A value that SQLite stores. */
export type SqlValue = string | number | bigint | null | Uint8Array
export type Row = Record<string, SqlValue>

/** Statements that read; each is prepared once per text. */
export interface Tables {
  get<R = Row>(sql: string, ...values: readonly SqlValue[]): R | undefined
  all<R = Row>(sql: string, ...values: readonly SqlValue[]): R[]
}

/** Reads of one view's current tables; always the newest complete generation. */
export interface Views extends Tables {
  /** The value in the view's in-memory fold for this key, without writing pending rows; undefined also if it has no fold. */
  find<R>(key: string): R | undefined
}

/** What `apply` may do: synchronous by type, because an `await` inside would let another write into the transaction. */
export interface Tx extends Tables {
  run(sql: string, ...values: readonly SqlValue[]): void
}

/**
 * A view whose rows change often: events are folded in memory, and what has gathered is written when somebody asks the tables, or
 * when it is enough, and always before a commit. Where one of its calls throws, or what it has written is rolled back, it is told to
 * `discard`: the tables alone count then, from where they stand.
 */
export interface Fold {
  /** Takes an event; may read the tables. */
  apply(event: RecordedEvent): void
  /** Writes the oldest pending rows if there are too many. */
  relieve(): void
  /** Writes everything that waits. */
  write(): void
  /** Forgets everything in memory. */
  discard(): void
  find(key: string): unknown
}

/**
 * A read model: a pure function of the log into tables of its own. Rows and checkpoint commit together, so that every
 * event counts once. A new `version` means new tables, replayed beside the old ones and then switched to.
 */
export interface Projection {
  readonly name: string
  readonly version: number
  readonly filter: Filter
  /** Beginnings of kinds: of operations, those of other kinds do not concern it. Default: all do. */
  readonly kinds?: readonly string[]
  /** Statements that make the empty tables. */
  readonly schema: readonly string[]
  apply(event: RecordedEvent, tx: Tx): void
  /** Where given it takes the place of `apply`, and leaves the same rows. */
  readonly fold?: (tx: Tx) => Fold
}

type Handlers<Event extends { type: string }> = {
  [Type in Event['type']]?: (event: RecordedEvent & Extract<Event, { type: Type }>, tx: Tx) => void
}

/** An `apply` made of one handler per event type; types without a handler are passed over. */
export const on = <Definition extends EventDefinition<string, Record<string, z.ZodType>>>(
  _definition: Definition,
  handlers: Handlers<EventOf<Definition>>,
): Projection['apply'] => {
  const table = handlers as Record<string, ((event: RecordedEvent, tx: Tx) => void) | undefined>
  return (event, tx) => table[event.type]?.(event, tx)
}

export interface ProjectionStatus {
  readonly name: string
  readonly version: number
  readonly position: Position
  /** Events between the view and the head of the log. */
  readonly lag: number
  readonly state: 'live' | 'catching-up' | 'rebuilding' | 'faulted'
  readonly fault: { readonly position: Position; readonly message: string } | null
}

/** The running set of views. */
export interface Projections {
  /** Opens the tables and follows the log; resolves when every view is live or faulted. */
  start(): Promise<void>
  stop(): Promise<void>
  views(name: string): Views
  /** Whether the named views (default all) reached `position` within `timeoutMs`. A faulted view counts as not reached. */
  reached(position: Position, options?: { timeoutMs?: number; names?: readonly string[] }): Promise<boolean>
  /** Where the named views stand: where they stand apart for a moment, in the middle of a batch, the last of these places. */
  position(names: readonly string[]): Position
  /** Whether the named views stand at one place, within a bounded time; false where one of them does not follow the log. */
  together(names: readonly string[]): boolean | Promise<boolean>
  /** Calls back after each committed batch, in log order, when every live view holds it; the answer ends it. */
  onApplied(listener: (events: readonly RecordedEvent[]) => void): () => void
  status(): Promise<readonly ProjectionStatus[]>
  /** Copies a view's file, off this thread, and answers the position at which the copy stands; only where views are files. */
  snapshot(name: string, file: string): Promise<Position>
  /** Replays into new tables beside the old ones and switches; `progress` gets fractions in [0, 1]. */
  rebuild(name: string, progress?: (fraction: number) => void): Promise<void>
}
