import TinyQueue from 'tinyqueue'
import { keysOf } from '../../projections/operations/limits.ts'
import type { DueOperation } from '../../projections/operations/operation-schedule.ts'

/** Operations that wait for the same limits one behind the other: those at a gate, or the one whose turn it is in a lane. */
export interface Line {
  readonly id: string
  /** Null where it holds one operation that was offered. */
  readonly gate: string | null
  readonly keys: readonly string[]
  /** The first ones, as far as they are known. */
  next: DueOperation[]
  /** Whether others may stand behind those. */
  goesOn: boolean
  /** The limit that had no room for its first one. */
  behind: string | null
}

/** How much room a limit has; asked once for each key. */
export type LeftOf = (key: string) => number

/** Lines, and the limits behind which they stand. */
export interface WaitingLines {
  readonly all: ReadonlyMap<string, Line>
  get(id: string): Line | undefined
  open(line: Pick<Line, 'id' | 'gate'>, first?: DueOperation, limits?: string): Line
  close(line: Line): void
  /** The line stands behind this limit, or behind none. */
  stand(line: Line, behind: string | null): void
  /** Whether a line stands behind this limit. */
  standBehind(key: string): boolean
  /** Every limit behind which lines stand. */
  keys(): Iterable<string>
  clear(): void
  /**
   * Gives room to operations, those with the lowest priority and then the earliest request first, from the lines `moving` and from those
   * behind the limits `freed`. An operation that does not get room from all of its limits takes none.
   */
  serve(options: ServeOptions): Served
}

export interface ServeOptions {
  readonly moving: readonly Line[]
  readonly freed: readonly string[]
  readonly left: LeftOf
  /** Whether the first of a line may really start now; one that may not leaves the line. */
  readonly mayStart: (operation: DueOperation, line: Line) => boolean
  readonly most: number
}

export interface Served {
  readonly operations: readonly DueOperation[]
  /** Lines that came to their end as far as they are known, and those that were not looked at. */
  readonly unfinished: readonly Line[]
}

export const createWaitingLines = (): WaitingLines => {
  const all = new Map<string, Line>()
  const behind = new Map<string, Set<Line>>()

  const stand = (line: Line, key: string | null): void => {
    if (line.behind === key) return
    if (line.behind !== null) {
      const lines = behind.get(line.behind)
      lines?.delete(line)
      if (lines?.size === 0) behind.delete(line.behind)
    }
    line.behind = key
    if (key === null) return
    const lines = behind.get(key) ?? new Set()
    behind.set(key, lines.add(line))
  }

  const serve = ({ moving, freed, left, mayStart, most }: ServeOptions): Served => {
    const rooms = new Map<string, number>()
    const room = (key: string): number => {
      const known = rooms.get(key)
      if (known !== undefined) return known
      const found = left(key)
      rooms.set(key, found)
      return found
    }
    for (const line of moving) stand(line, null)
    /** Limits with room behind which lines stand: where none is left, the others need not be looked at. */
    const sources = new Set(freed.filter((key) => behind.has(key) && room(key) > 0))
    const lines = [...moving, ...[...sources].flatMap((key) => [...(behind.get(key) ?? [])])]
    const queue = new TinyQueue<Line>(
      lines.filter(({ next }) => next.length > 0),
      byTurn,
    )
    let free = moving.filter(({ next }) => next.length > 0).length
    const operations: DueOperation[] = []
    const unfinished = moving.filter(({ next }) => next.length === 0)

    /** Where it is not known who comes next in a line, those of other lines might go before their turn. */
    let isUnknown = false
    const step = (line: Line): void => {
      line.next.shift()
      if (line.next.length === 0) {
        unfinished.push(line)
        isUnknown = line.goesOn
      } else {
        queue.push(line)
        free += 1
      }
    }

    while (!isUnknown && operations.length < most && (free > 0 || sources.size > 0)) {
      const line = queue.pop()
      if (line === undefined) break
      if (line.behind === null) free -= 1
      else if (room(line.behind) <= 0) continue
      const full = line.keys.find((key) => room(key) <= 0)
      if (full !== undefined) {
        stand(line, full)
        continue
      }
      stand(line, null)
      const [operation] = line.next
      if (operation !== undefined && mayStart(operation, line)) {
        operations.push(operation)
        for (const key of line.keys) {
          rooms.set(key, room(key) - 1)
          if (room(key) <= 0) sources.delete(key)
        }
      }
      step(line)
    }
    // The others are served by the next append.
    for (const line of queue.data) if (line.behind === null || room(line.behind) > 0) unfinished.push(line)
    return { operations, unfinished }
  }

  return {
    all,
    get: (id) => all.get(id),
    open: ({ id, gate }, first, limits) => {
      const next = first === undefined ? [] : [first]
      const line: Line = { id, gate, keys: keysOf({ limits }), next, goesOn: first === undefined, behind: null }
      all.set(id, line)
      return line
    },
    close: (line) => {
      stand(line, null)
      if (all.get(line.id) === line) all.delete(line.id)
    },
    stand,
    standBehind: (key) => behind.has(key),
    keys: () => behind.keys(),
    clear: () => {
      all.clear()
      behind.clear()
    },
    serve,
  }
}

const byTurn = (one: Line, other: Line): number => {
  const [a] = one.next
  const [b] = other.next
  if (a === undefined || b === undefined) return 0
  return a.priority - b.priority || a.seq - b.seq
}
