import type { Row, Views } from '../projection.ts'

/** Every row of every table of a view, in an order of their own: two views are equal when their dumps are. */
export const dump = (views: Views): Readonly<Record<string, readonly Row[]>> => {
  const tables = views.all<{ name: string }>(
    `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' AND name NOT LIKE '~_%' ESCAPE '~' ORDER BY name`,
  )
  return Object.fromEntries(
    tables.map(({ name }) => {
      const columns = views.all<{ cid: number }>(`SELECT cid FROM pragma_table_info(?)`, name).map(({ cid }) => cid + 1)
      return [name, views.all(`SELECT * FROM "${name}" ORDER BY ${columns.join(', ')}`).map((row) => ({ ...row }))]
    }),
  )
}
