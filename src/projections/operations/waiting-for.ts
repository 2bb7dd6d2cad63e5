import { instant } from '../../lib/clock.ts'
import type { limitQueries } from './limits.ts'
import type { OperationRow } from './operation-row.ts'

/** Why an operation that is not finished does not run. Source: native contract, section 2. */
export interface WaitingFor {
  /** `unknown`: it hangs on workers that lived at a moment of the past; the rest is null then. */
  readonly reason: 'start' | 'lane' | 'retry' | 'worker' | 'time' | 'limit' | 'unknown'
  readonly detail: string | null
  readonly since: string | null
  readonly until: string | null
  readonly operation: string | null
}

/** What keeps the scheduler of a kind from an operation. `since` where it is later than the operation's own state. */
export interface Hold {
  readonly reason: 'worker' | 'limit'
  readonly detail: string
  readonly since?: string
  readonly until: string | null
}

/** What keeps an operation from starting when a limit has no room. */
export interface LimitWait {
  readonly detail: string
  /** When the next one may start at the earliest, where only time has to pass. */
  readonly until: string | null
}

/** What schedulers hold back, by kind; asked with the id of the operation. */
export type Holds = Readonly<Record<string, (operation: string) => Hold | undefined>>

/** What surrounds an operation at the moment of asking: none of it is in its row. */
export interface Surroundings {
  readonly now: number
  /** Whether a live worker takes the kind; undefined of a moment of the past. */
  readonly taken: (kind: string) => boolean | undefined
  /** Why this process does not take the kind, in a sentence; undefined where it does. */
  readonly absent: (kind: string) => string | undefined
  /** Who is before the operation in its lane: the holder, or the one that is next; undefined where it is its turn. */
  readonly ahead: (row: OperationRow) => { readonly operation: string; readonly holds: boolean } | undefined
  /** What the first of its limits that has no room says; undefined where all of them have. */
  readonly limited: (row: OperationRow) => LimitWait | undefined
  /** What the scheduler of the kind says; undefined where it has none or nothing holds the operation. */
  readonly held: (row: OperationRow) => Hold | undefined
}

/**
 * Never null while the operation is pending or retrying. A running one that its kind's scheduler holds, between two pages of a
 * crawl for example, says so too; else null.
 */
export const waitingFor = (row: OperationRow, { now, taken, absent, ahead, limited, held }: Surroundings): WaitingFor | null => {
  if (row.ready_at === null) return row.state === 'running' ? whileRunning(row, held(row)) : null
  const waiting = (reason: WaitingFor['reason'], detail: string, more: Partial<WaitingFor> = {}): WaitingFor => ({
    reason,
    detail,
    since: instant(row.ready_at !== null && row.ready_at <= now ? Math.max(row.since, row.ready_at) : row.since),
    until: null,
    operation: null,
    ...more,
  })
  if (row.ready_at > now) {
    const until = instant(row.ready_at)
    return row.state === 'retrying'
      ? waiting('retry', `Attempt ${row.attempt} failed; the next one may start at ${until}.`, { until })
      : waiting('time', `It was asked to run at ${until}.`, { until })
  }
  const before = ahead(row)
  if (before !== undefined) {
    const detail = before.holds
      ? `Operation ${before.operation} holds the lane ${row.lane}.`
      : `Operation ${before.operation} is before it in the lane ${row.lane}.`
    return waiting('lane', detail, { operation: before.operation })
  }
  const full = limited(row)
  if (full !== undefined) return waiting('limit', full.detail, { until: full.until })
  const isTaken = taken(row.kind)
  if (isTaken === false) {
    const why = absent(row.kind)
    return waiting('worker', `No live worker takes operations of the kind ${row.kind}.${why === undefined ? '' : ` ${why}`}`)
  }
  const hold = held(row)
  if (hold !== undefined) return waiting(hold.reason, hold.detail, { until: hold.until })
  if (isTaken === undefined) return unknown
  return waiting('start', 'It may start as soon as a worker has room for it.')
}

/** What a limit without room says to those that wait for it; undefined where it has room. */
export const limitWait = (
  { limit, room, running, admitted, waiting }: ReturnType<typeof limitQueries>,
  key: string,
  now: number,
): LimitWait | undefined => {
  const found = limit(key)
  if (found === undefined) return undefined
  const { left, until } = room(key, now)
  if (left > 0) return undefined
  const { concurrency, rate } = found
  const used = running(key) + admitted(key)
  const others = `Others that wait and name it: ${waiting(key) - 1}.`
  if (concurrency !== null && used >= concurrency) {
    const detail = `The limit ${key} is used up: ${used} of ${concurrency} run or are about to. ${others}`
    return { detail, until: null }
  }
  const detail = `The limit ${key} is used up: ${rate?.count} starts in ${rate?.perMs} ms. ${others}`
  return { detail, until: until === null ? null : instant(until) }
}

const unknown: WaitingFor = { reason: 'unknown', detail: null, since: null, until: null, operation: null }

const whileRunning = (row: OperationRow, hold: Hold | undefined): WaitingFor | null =>
  hold === undefined
    ? null
    : { reason: hold.reason, detail: hold.detail, since: hold.since ?? instant(row.since), until: hold.until, operation: null }
