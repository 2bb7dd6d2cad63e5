import { operationStates } from '../../events/operation.ts'
import { parseInstant } from '../../lib/clock.ts'
import type { SqlValue, Views } from '../projection.ts'

/** Where a page of a list ends: the request's place in time, which never falls, and its number in log order. */
export type OperationPlace = readonly [listedAt: number, seq: number]

/** What to list. Every filter holds where any of its values does; `from` and `to` are RFC 3339, half-open. */
export interface OperationFilter {
  readonly state?: readonly string[] | undefined
  readonly kind?: readonly string[] | undefined
  readonly face?: readonly string[] | undefined
  readonly lane?: readonly string[] | undefined
  readonly principal?: readonly string[] | undefined
  readonly schedule?: readonly string[] | undefined
  /** Unlike the others: all of them. `key` or `key:value`. */
  readonly label?: readonly string[] | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
}
export interface OperationListOptions extends OperationFilter {
  /** Default `desc`: newest first. */
  readonly order?: 'asc' | 'desc' | undefined
  /** `next` of the page before; stays right while operations are added. */
  readonly after?: OperationPlace | undefined
  readonly limit: number
}

interface Key {
  readonly listed_at: number
  readonly seq: number
}
interface Condition {
  readonly sql: string
  readonly values: readonly SqlValue[]
}

/** From this many rows on, all filters count as equally common. */
const fewRows = 5000

const none: Condition = { sql: '', values: [] }
/** Filters by which an index finds rows, the most telling first. */
const indexed = ['lane', 'schedule', 'kind', 'principal', 'face'] as const
/** The others are indexed together with the state. */
const withoutState: readonly string[] = ['lane', 'schedule']

/**
 * The places of a page and of the one behind it. One index leads: each of its values is read in the list's order, no
 * further than the page is long, and the pieces are merged, so that a page costs the same however long the list is.
 */
export const listPlaces = (views: Views, options: OperationListOptions): readonly OperationPlace[] => {
  const wanted = options.limit + 1
  const descending = options.order !== 'asc'
  const direction = descending ? 'DESC' : 'ASC'
  const lead = rareLabel(views, options) ?? leading(views, options)
  const rest = [...restrictions(options, lead), ...ranges(options, descending)]
  const sign = descending ? -1 : 1
  return pieces(options, lead)
    .flatMap((piece) => spans(views, options).map((span) => [piece, span]))
    .flatMap((piece) => {
      const conditions = [...piece, ...rest].filter(({ sql }) => sql !== '')
      const where = conditions.length === 0 ? '' : `WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}`
      return views.all<Key>(
        `SELECT listed_at, seq FROM operations ${where} ORDER BY listed_at ${direction}, seq ${direction} LIMIT ?`,
        ...conditions.flatMap(({ values }) => values),
        wanted,
      )
    })
    .sort((a, b) => sign * (a.seq - b.seq))
    .slice(0, wanted)
    .map(({ listed_at, seq }) => [listed_at, seq] as const)
}

type Indexed = (typeof indexed)[number]
/** What a list is found by: an index, or the operations that have a label which few have. */
type Lead = Indexed | Condition | undefined

/** The filter with the fewest rows leads; counted no further than matters. */
const leading = (views: Views, filter: OperationFilter): Indexed | undefined => {
  const given = indexed.filter((column) => filter[column] !== undefined)
  if (given.length < 2) return given[0]
  const counted = given.map((column) => {
    const row = views.get<{ rows: number }>(
      `SELECT count(*) AS rows FROM (SELECT 1 FROM operations WHERE ${column} IN (SELECT value FROM json_each(?)) LIMIT ?)`,
      JSON.stringify(filter[column]),
      fewRows,
    )
    return { column, rows: row?.rows ?? 0 }
  })
  return counted.reduce((least, next) => (next.rows < least.rows ? next : least)).column
}

const labelledRows = (given: string): Condition => {
  const colon = given.indexOf(':')
  return colon < 0
    ? { sql: `SELECT seq FROM labels WHERE label = ?`, values: [given] }
    : { sql: `SELECT seq FROM labels WHERE label = ? AND value = ?`, values: [given.slice(0, colon), given.slice(colon + 1)] }
}

const rareLabel = (views: Views, { label }: OperationFilter): Condition | undefined =>
  distinct(label)
    ?.map(labelledRows)
    .find(({ sql, values }) => {
      const row = views.get<{ rows: number }>(`SELECT count(*) AS rows FROM (${sql} LIMIT ?)`, ...values, fewRows)
      return row !== undefined && row.rows < fewRows
    })

/** One condition for each value that the leading index is entered with. */
const pieces = (filter: OperationFilter, column: Lead): readonly Condition[] => {
  if (typeof column === 'object') return [{ sql: `seq IN (${column.sql})`, values: column.values }]
  if (column === undefined) return distinct(filter.state)?.map((state) => ({ sql: `state = ?`, values: [state] })) ?? [none]
  const values = distinct(filter[column]) ?? []
  if (withoutState.includes(column)) return values.map((value) => ({ sql: `${column} = ?`, values: [value] }))
  const states = distinct(filter.state) ?? operationStates
  return values.flatMap((value) => states.map((state) => ({ sql: `${column} = ? AND state = ?`, values: [value, state] })))
}

/** The filters that the leading index does not answer. */
const restrictions = (filter: OperationFilter, lead: Lead): readonly Condition[] => {
  const columns = [...indexed, 'state' as const].filter((column) =>
    column === 'state' ? lead !== undefined && !coversState(lead) : column !== lead,
  )
  const conditions = columns.flatMap((column) => {
    const values = filter[column]
    return values === undefined
      ? []
      : [{ sql: `+${column} IN (SELECT value FROM json_each(?))`, values: [JSON.stringify(values)] }]
  })
  const labels = (distinct(filter.label) ?? []).map(labelledRows)
  return [...conditions, ...labels.map(({ sql, values }) => ({ sql: `EXISTS (${sql} AND seq = operations.seq)`, values }))]
}

const coversState = (lead: Exclude<Lead, undefined>): boolean => typeof lead === 'string' && !withoutState.includes(lead)

/** An operation requested since `from` is also listed since `from`; the reverse need not be true. */
const ranges = ({ from, after }: OperationListOptions, descending: boolean): readonly Condition[] => [
  from === undefined ? none : { sql: `listed_at >= ? AND +requested_at >= ?`, values: [parseInstant(from), parseInstant(from)] },
  after === undefined ? none : { sql: `(listed_at, seq) ${descending ? '<' : '>'} (?, ?)`, values: after },
]

/** What was requested before `to`: what is listed before it, and what was requested while the clock was set back, if anything was. */
const spans = (views: Views, { to }: OperationFilter): readonly Condition[] => {
  if (to === undefined) return [none]
  const until = parseInstant(to)
  const usual = { sql: `listed_at < ?`, values: [until] }
  const setBack = { sql: `requested_at < listed_at AND listed_at >= ? AND requested_at < ?`, values: [until, until] }
  return views.get(`SELECT 1 FROM operations WHERE ${setBack.sql} LIMIT 1`, until, until) === undefined
    ? [usual]
    : [usual, setBack]
}

const distinct = (values: readonly string[] | undefined): readonly string[] | undefined =>
  values === undefined ? undefined : [...new Set(values)]
