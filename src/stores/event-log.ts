import type { Metadata } from '../events/define.ts'
import type { JsonObject } from '../lib/json.ts'

/** An opaque place in the log; positions compare as text, and `origin` is before the first event. */
export type Position = string
export const origin: Position = '0'

/** What the appender believes of the stream: its last revision, or one of three words. */
export type Expected = number | 'noStream' | 'streamExists' | 'any'

export interface NewEvent {
  readonly id: string
  readonly type: string
  readonly data: JsonObject
  readonly metadata: Metadata
}

export interface RecordedEvent extends NewEvent {
  readonly stream: string
  readonly revision: number
  readonly position: Position
  readonly recordedAt: string
}

/** What a log server can filter by itself, no more: beginnings of type names or of stream names. */
export type Filter = { readonly typePrefixes: readonly string[] } | { readonly streamPrefixes: readonly string[] }

export interface Appended {
  readonly revision: number
  readonly position: Position
}

/** What a subscriber is fed, in log order. `live` is said once, when the backlog at the time of the call has been given. */
export type Feed =
  | { readonly kind: 'event'; readonly event: RecordedEvent }
  | { readonly kind: 'checkpoint'; readonly position: Position }
  | { readonly kind: 'live'; readonly position: Position }

export interface ReadStreamOptions {
  readonly from?: number | 'start' | 'end'
  readonly backwards?: boolean
  readonly limit?: number
}
export interface ReadAllOptions {
  /** Exclusive; read backwards it is the exclusive upper bound. */
  readonly after?: Position
  readonly backwards?: boolean
  readonly filter?: Filter
  readonly limit?: number
}
export interface SubscribeOptions {
  readonly after?: Position
  readonly filter?: Filter
  readonly signal: AbortSignal
  /** Only events are wanted, checkpoints are not: a log on a server may keep there what does not match the filter. */
  readonly withoutCheckpoints?: true
}

/**
 * The truth: an append-only log of streams. Every adapter passes test/contracts/event-log.ts.
 *
 * `append` resolves when the events are on disk, all or none of them. It throws `RevisionConflict` (expected, actual),
 * `Unacceptable` before any I/O (`Oversize`, not serialisable, bad id), `Unavailable` when the outcome is unknown: repeat it
 * verbatim then: the same ids at the same expected revision are a success, not a conflict.
 * Key streams (`key-…`) never show in `readAll` and `subscribe`; `forget` erases one.
 */
export interface EventLog {
  append(stream: string, expected: Expected, events: readonly NewEvent[]): Promise<Appended>
  readStream(stream: string, options?: ReadStreamOptions): AsyncIterable<RecordedEvent>
  readAll(options?: ReadAllOptions): AsyncIterable<RecordedEvent>
  subscribe(options: SubscribeOptions): AsyncIterable<Feed>
  head(): Promise<Position>
  forget(stream: string): Promise<void>
  /** Rejects where the log cannot be read or written whole, with the reason. Default: `head`. */
  check?(): Promise<void>
  /** Writes something that leaves nothing behind; rejects where nothing can be written. Missing where only an append can tell. */
  probe?(): Promise<void>
  /** The first damage after a position that is known. */
  damageAfter?(position: Position): { readonly position: Position; readonly message: string } | undefined
  /** What of the log still holds the bytes of a forgotten stream, in words; undefined where nothing does. */
  readonly keepsForgotten?: string
  close(): Promise<void>
}

/** The stream's name before its first hyphen. */
export const categoryOf = (stream: string): string => {
  const end = stream.indexOf('-')
  return end < 0 ? stream : stream.slice(0, end)
}
