import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { mostRateCount } from '../../../src/events/limit.ts'
import { limitSchema, limitTables } from '../../../src/projections/operations/limit-tables.ts'
import type { OperationRow } from '../../../src/projections/operations/operation-row.ts'
import type { SqlValue, Tx } from '../../../src/projections/projection.ts'

test('as many starts of a key are remembered as the greatest rate counts', () => {
  const database = new DatabaseSync(':memory:')
  onTestFinished(() => database.close())
  for (const statement of limitSchema) database.exec(statement)
  database.exec(
    `WITH RECURSIVE earlier (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM earlier WHERE n < ${mostRateCount})
     INSERT INTO limit_starts SELECT 'busy', n, n FROM earlier`,
  )
  const tables = limitTables({
    run: (sql: string, ...values: readonly SqlValue[]) => void database.prepare(sql).run(...values),
    get: (sql: string, ...values: readonly SqlValue[]) => database.prepare(sql).get(...values),
  } as unknown as Tx)
  const operation = { limits: '["busy","quiet"]' } as OperationRow
  for (const at of [200_001, 200_002]) tables.started(operation, at)
  tables.write()
  const kept = (key: string) =>
    database.prepare(`SELECT count(*) AS count, min(n) AS oldest, max(at) AS newest FROM limit_starts WHERE key = ?`).get(key)
  expect({ ...kept('busy') }).toEqual({ count: mostRateCount, oldest: 3, newest: 200_002 })
  expect({ ...kept('quiet') }).toEqual({ count: 2, oldest: 1, newest: 200_002 })
})
