import type { SqlValue, Views } from './projection.ts'

/** Where a list goes on and how much of it is wanted. `after` is the `next` of the page before. */
export interface Keyset {
  readonly limit: number
  readonly after?: readonly (string | number)[] | undefined
}
/** A page of a list; `next` is null where nothing more follows. */
export interface ListOf<Row> {
  readonly items: readonly Row[]
  readonly next: readonly (string | number)[] | null
}

/** Values that a column may have; none or an empty list means any. */
export type Any = readonly string[] | undefined

/** One value is most often asked for, and then SQLite takes the rows from an index in their order. */
export const anyOf = (column: string, values: Any): Condition | undefined => {
  const [first, ...others] = values ?? []
  if (first === undefined) return undefined
  if (others.length === 0) return { sql: `${column} = ?`, values: [first] }
  return { sql: `${column} IN (SELECT value FROM json_each(?))`, values: [JSON.stringify(values)] }
}

interface Condition {
  readonly sql: string
  readonly values: readonly SqlValue[]
}

/** Reads one page of a list by the values of its last row, so that none is seen twice and none is missed. */
export const listOf = <Record, Row>(
  views: Views,
  options: Keyset & {
    readonly select: string
    readonly conditions: readonly (Condition | undefined)[]
    readonly keys: readonly string[]
    readonly order: 'ASC' | 'DESC'
    keyOf(record: Record): readonly (string | number)[]
    rowOf(record: Record): Row
  },
): ListOf<Row> => {
  const { select, keys, order, limit, after } = options
  const conditions = options.conditions.filter((condition) => condition !== undefined)
  if (after !== undefined)
    conditions.push({
      sql: `(${keys.join(', ')}) ${order === 'ASC' ? '>' : '<'} (${keys.map(() => '?').join(', ')})`,
      values: after,
    })
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}`
  const records = views.all<Record>(
    `${select} ${where} ORDER BY ${keys.map((key) => `${key} ${order}`).join(', ')} LIMIT ?`,
    ...conditions.flatMap(({ values }) => values),
    limit + 1,
  )
  const items = records.slice(0, limit)
  const last = items.at(-1)
  return { items: items.map(options.rowOf), next: records.length > limit && last !== undefined ? options.keyOf(last) : null }
}
