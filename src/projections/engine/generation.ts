import { messageOf, Unavailable } from '../../lib/errors.ts'
import type { Position, RecordedEvent } from '../../stores/event-log.ts'
import type { Fold, Projection, Tx, Views } from '../projection.ts'
import type { Poison } from './poison-event.ts'
import { isDamagedFile, isEnvironment, openViewFile, ViewDamaged } from './view-file.ts'

/** How an attempt to apply events ended: `done` are behind, `poison` is the event that stopped it. */
export interface Applied {
  readonly done: number
  readonly poison: Poison | undefined
}

/**
 * One filled or filling copy of a view's tables, with the place in the log that it has reached. What it takes gathers, in memory and in
 * an open transaction, until it is committed together with that place. Whatever fails takes the copy back to its last commit. An event that cannot be
 * applied is found out then by applying what had gathered one by one: all before it stays applied. Where it was the machine (a full disk and the
 * like), `Unavailable` is thrown, and the position has gone back.
 */
export interface Generation extends Views {
  readonly file: string
  /** Position of the view. It is ahead of the stored checkpoint by uncommitted events and events that changed no row. */
  position(): Position
  /** Whether it ever held the whole log; one that never did must not replace another. */
  complete(): boolean
  /** Takes events in log order until `enough` says so or one is poison. */
  apply(events: readonly RecordedEvent[], enough: () => boolean): Applied
  /** Brings everything that it has taken into its tables, for a reader of this copy. */
  settle(): Poison | undefined
  /** Whether it has taken something that is not committed. */
  gathers(): boolean
  /** Commits what has gathered. */
  write(): Poison | undefined
  /** Moves the position over events that do not concern the view; written to disk on `store`, or after enough moves. */
  advance(position: Position, options?: { readonly store?: boolean }): Poison | undefined
  markComplete(): void
  /** Uncommitted rows are lost; the next open of the file reads their events again. */
  close(): void
}

/** Most moves before a view stores its position, so that a restart reads only recent events. */
const movesPerStore = 200
/** Most uncommitted events: a crash replays them, and a poison event makes the view apply them again one by one. */
const mostGathered = 2000

/** Opens the tables of a view in `file` (or `:memory:`), making them where they are missing. Throws on a file that is none of this version. */
export const openGeneration = (projection: Projection, file: string, walGrown: (file: string) => void = () => {}): Generation => {
  const tables = openViewFile(projection, file, walGrown)
  const fold = projection.fold?.(tables.tx) ?? atOnce(projection, tables.tx)
  let { position, complete } = tables.stored
  /** How often the position has moved since it was stored. */
  let moves = 0
  /** What has gathered since the last commit, and the position before it. */
  let gathered: RecordedEvent[] = []
  let committed = position

  const commit = ({ store }: { readonly store: boolean }): void => {
    fold.write()
    if (tables.hasWritten() || store) {
      tables.commit(position, complete)
      moves = 0
    }
    gathered = []
    committed = position
  }

  /** Answers what had gathered. */
  const goBack = (): readonly RecordedEvent[] => {
    const events = gathered
    tables.rollback()
    fold.discard()
    gathered = []
    position = committed
    return events
  }

  /** Every event in the tables before the next one is looked at; answers the one that they refuse. */
  const applyOneByOne = (events: readonly RecordedEvent[]): Poison | undefined => {
    let index = 0
    try {
      for (; index < events.length; index++) {
        const event = events[index] as RecordedEvent
        projection.apply(event, tables.tx)
        position = event.position
      }
      commit({ store: false })
      return undefined
    } catch (error) {
      goBack()
      const culprit = events[index]
      if (culprit === undefined || isNoFaultOfEvents(error)) throw unavailable(error)
      return applyOneByOne(events.slice(0, index)) ?? poisonOf(culprit, error)
    }
  }

  const attempt = (work: () => void): Poison | undefined => {
    try {
      work()
      return undefined
    } catch (error) {
      const events = goBack()
      if (isNoFaultOfEvents(error)) throw unavailable(error)
      return applyOneByOne(events)
    }
  }

  const write = (): Poison | undefined => attempt(() => commit({ store: moves >= movesPerStore }))

  return {
    file,
    ...tables.read,
    find: <R>(key: string) => fold.find(key) as R | undefined,
    position: () => position,
    complete: () => complete,
    apply: (events, enough) => {
      moves++
      const poison = attempt(() => {
        let taken = 0
        for (const event of events) {
          if (taken++ > 0 && enough()) break
          gathered.push(event)
          fold.apply(event)
          position = event.position
        }
        fold.relieve()
        if (gathered.length >= mostGathered) commit({ store: moves >= movesPerStore })
      })
      const next = events.findIndex((event) => event.position > position)
      return { done: next < 0 ? events.length : next, poison }
    },
    settle: () => attempt(fold.write),
    gathers: () => gathered.length > 0,
    write,
    advance: (to, { store = false } = {}) => {
      if (to > position) {
        position = to
        moves++
      }
      if (moves === 0 || !(store || moves >= movesPerStore)) return undefined
      return attempt(() => commit({ store: true }))
    },
    markComplete: () => {
      complete = true
      commit({ store: true })
    },
    close: tables.close,
  }
}

/** A view without a fold of its own: each event is in the tables at once. */
const atOnce = ({ apply }: Projection, tx: Tx): Fold => ({
  apply: (event) => apply(event, tx),
  relieve: () => {},
  write: () => {},
  discard: () => {},
  find: () => undefined,
})

const isNoFaultOfEvents = (error: unknown): boolean => isEnvironment(error) || isDamagedFile(error)

const unavailable = (error: unknown): Unavailable =>
  new (isDamagedFile(error) ? ViewDamaged : Unavailable)(messageOf(error), { cause: error })

const poisonOf = ({ type, stream, revision, position }: RecordedEvent, error: unknown): Poison => ({
  position,
  message: `${type} in ${stream} at revision ${revision}: ${messageOf(error)}`,
})
