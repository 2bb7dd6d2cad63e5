import { messageOf, Unavailable } from '../lib/errors.ts'
import type { Position, RecordedEvent } from '../stores/event-log.ts'
import type { Poison } from './poison.ts'
import type { Fold, Projection, Views } from './projection.ts'
import { isEnvironment, openViewFile } from './view-file.ts'

/** How an attempt to apply events ended: `done` are behind, `poison` is the one after them that stopped it. */
export interface Applied {
  readonly done: number
  readonly poison: Poison | undefined
}

/** One filled or filling copy of a view's tables, with the place in the log that it has reached. */
export interface Generation extends Views {
  readonly file: string
  /** Where the view stands; ahead of the stored checkpoint over events that changed nothing in it, or wait in its fold. */
  position(): Position
  /** Whether it ever held the whole log; one that never did must not replace another. */
  complete(): boolean
  /**
   * Applies events in log order, rows and checkpoint in one transaction, until `enough` says so or one is poison: those
   * before it stay applied. Throws `Unavailable` where SQLite itself fails (full disk and the like): nothing of this call is applied
   * then, and of a fold nothing since its last write, so that the position may go back.
   */
  apply(events: readonly RecordedEvent[], enough: () => boolean): Applied
  /** Writes what waits in the fold: the tables hold everything then, or what is before a poison. Throws as `apply` does. */
  write(): Poison | undefined
  /** Nothing that concerns the view lies between its position and this one. Stored when `store` or enough has passed; ends as `write` does. */
  advance(position: Position, options?: { readonly store?: boolean }): Poison | undefined
  markComplete(): void
  close(): void
}

/** A view stores its position after so many moves at the latest, so that a restart does not read the log from long ago. */
const movesPerStore = 200

/** Opens the tables of a view in `file` (or `:memory:`), making them where they are missing. Throws on a file that is none of this version. */
export const openGeneration = (projection: Projection, file: string): Generation => {
  const tables = openViewFile(projection, file)
  const fold = projection.fold?.(tables.tx)
  let { position, complete } = tables.stored
  /** The last position that is on the disk. */
  let stored = position
  /** How often the position has moved since then. */
  let moves = 0
  /** Events that the fold has taken and not written. */
  let waiting: RecordedEvent[] = []

  const store = (at: Position): void => {
    tables.store(at, complete)
    stored = at
    moves = 0
  }
  const unavailable = (error: unknown): Unavailable => new Unavailable(messageOf(error), { cause: error })

  /** Each event in the tables at once. */
  const applyEach = (events: readonly RecordedEvent[], enough: () => boolean): Applied => {
    let index = 0
    const before = stored
    try {
      const reached = tables.transaction(() => {
        for (; index < events.length; index++) {
          if (index > 0 && enough()) break
          projection.apply(events[index] as RecordedEvent, tables.tx)
        }
        const { position } = events[index - 1] as RecordedEvent
        if (tables.hasWritten() || ++moves >= movesPerStore) store(position)
        return position
      })
      position = reached
      return { done: index, poison: undefined }
    } catch (error) {
      stored = before
      const culprit = events[index]
      if (culprit === undefined || isEnvironment(error)) throw unavailable(error)
      if (index > 0 && applyEach(events.slice(0, index), () => false).poison !== undefined) throw unavailable(error)
      return { done: index, poison: poisonOf(culprit, error) }
    }
  }

  /** Each event in memory; what has gathered is written when it is enough. */
  const gather = (fold: Fold, events: readonly RecordedEvent[], enough: () => boolean): Applied => {
    let done = 0
    try {
      for (const event of events) {
        if (done > 0 && enough()) break
        fold.apply(event)
        waiting.push(event)
        position = event.position
        done++
      }
    } catch (error) {
      if (isEnvironment(error)) {
        discard(fold)
        throw unavailable(error)
      }
      return { done, poison: write() ?? poisonOf(events[done] as RecordedEvent, error) }
    }
    return { done, poison: fold.full() ? write() : undefined }
  }

  const discard = (fold: Fold): void => {
    fold.discard()
    waiting = []
    position = stored
  }

  const write = (): Poison | undefined => {
    if (fold === undefined || waiting.length === 0) return undefined
    const before = stored
    try {
      tables.transaction(() => {
        fold.write()
        store(position)
      })
    } catch (error) {
      stored = before
      const events = waiting
      discard(fold)
      if (isEnvironment(error)) throw unavailable(error)
      // One of them is poison: one by one they tell which.
      return applyEach(events, () => false).poison
    }
    fold.written()
    waiting = []
    return undefined
  }

  return {
    file,
    ...tables.read,
    find: <R>(key: string) => fold?.find(key) as R | undefined,
    position: () => position,
    complete: () => complete,
    apply: (events, enough) => {
      if (events.length === 0) return { done: 0, poison: undefined }
      return fold === undefined ? applyEach(events, enough) : gather(fold, events, enough)
    },
    write,
    advance: (to, options = {}) => {
      if (to > position) {
        position = to
        moves++
      }
      if (moves === 0 || !(options.store === true || moves >= movesPerStore)) return undefined
      if (waiting.length > 0) return write()
      tables.transaction(() => store(position))
      return undefined
    },
    markComplete: () => {
      complete = true
      tables.transaction(() => store(position))
    },
    close: tables.close,
  }
}

const poisonOf = ({ type, stream, revision, position }: RecordedEvent, error: unknown): Poison => ({
  position,
  message: `${type} in ${stream} at revision ${revision}: ${messageOf(error)}`,
})
