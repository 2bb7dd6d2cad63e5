import type { Position, RecordedEvent } from '../event-log.ts'

/** One end of a copy: a log with everything that a copy takes along, key streams too, and nothing else. */
export interface LogEnd {
  /** For messages; no credentials. */
  readonly name: string
  /**
   * Every event in log order after `after`, up to what the log held when it was opened (`everything` for what came since, too).
   * Events of a forgotten stream are not among them, and a key stream's revisions begin at 0.
   */
  events(options?: { readonly after?: Position; readonly everything?: boolean }): AsyncIterable<RecordedEvent>
  /** Appends events of another log in their order, with their times. Done twice it is done once. Throws `LogsDiffer`, `Unavailable`. */
  append(events: readonly RecordedEvent[]): Promise<void>
  forget(stream: string): Promise<void>
  /** How much of the log lies before a position: 0 to 1. */
  share(position: Position): number
  close(): Promise<void>
}

/** The ends do not hold the same. */
export class LogsDiffer extends Error {
  override readonly name = 'LogsDiffer'
}

/** The stream that names a log; each log keeps its own. */
const identityStream = 'key-log-identity'

/** Whether a copy takes the streams's events along: all but who lives and leads, and what the server keeps itself. */
export const isCopied = (stream: string): boolean =>
  !stream.startsWith('lease-') && !stream.startsWith('$') && stream !== identityStream
