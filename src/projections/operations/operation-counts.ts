import { nextTurn } from '../../lib/time-slice.ts'
import type { Tx, Views } from '../projection.ts'
import { listPlaces, type OperationFilter, type OperationPlace } from './operation-list.ts'
import type { OperationRow } from './operation-row.ts'

/** How many operations of a kind, through a face (empty for none), are in a state; no row where none are. */
export const countsSchema = [
  `CREATE TABLE counts (
    state TEXT NOT NULL, kind TEXT NOT NULL, face TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (state, kind, face)
  ) STRICT, WITHOUT ROWID`,
]

type Counted = Pick<OperationRow, 'state' | 'kind' | 'face'>

/** The counts in the hands of the fold: what changed is written with the rows. */
export const countTables = (tx: Tx) => {
  const changed = new Map<string, number>()
  return {
    count: ({ kind, face }: Counted, state: Counted['state'], more: number): void => {
      const key = JSON.stringify([state, kind, face ?? ''])
      changed.set(key, (changed.get(key) ?? 0) + more)
    },
    write: (): void => {
      for (const [key, more] of changed) {
        if (more === 0) continue
        const [state, kind, face] = JSON.parse(key) as [string, string, string]
        tx.run(`INSERT INTO counts VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET count = count + ?4`, state, kind, face, more)
        tx.run(`DELETE FROM counts WHERE state = ? AND kind = ? AND face = ? AND count = 0`, state, kind, face)
      }
      changed.clear()
    },
    discard: (): void => changed.clear(),
  }
}

/** Numbers by name, in the order of the names; operations without a face count as `native`. */
export interface OperationCounts {
  readonly byState: Readonly<Record<string, number>>
  readonly byKind: Readonly<Record<string, number>>
  readonly byFace: Readonly<Record<string, number>>
}

interface Count extends Counted {
  readonly count: number
}

/** Reading so many rows takes some milliseconds. */
const rowsPerTurn = 2000

/** What a filter finds, counted. Where the table of counts does not answer, other requests have their turns in between. */
export const countOperations = async (views: Views, filter: OperationFilter): Promise<OperationCounts> => {
  const { state, kind, face, ...others } = filter
  const isCounted = Object.values(others).every((value) => value === undefined)
  const sums = { byState: new Map<string, number>(), byKind: new Map<string, number>(), byFace: new Map<string, number>() }
  const add = (counts: readonly Count[]): void => {
    for (const { state, kind, face, count } of counts) {
      sums.byState.set(state, (sums.byState.get(state) ?? 0) + count)
      sums.byKind.set(kind, (sums.byKind.get(kind) ?? 0) + count)
      const name = face ?? 'native'
      sums.byFace.set(name, (sums.byFace.get(name) ?? 0) + count)
    }
  }
  if (isCounted) add(keptCounts(views, { state, kind, face }))
  else
    for await (const seqs of placesOf(views, filter))
      add(
        views.all<Count>(
          `SELECT state, kind, face, count(*) AS count FROM operations WHERE seq IN (SELECT value FROM json_each(?)) GROUP BY state, kind, face`,
          JSON.stringify(seqs),
        ),
      )
  const named = (counts: ReadonlyMap<string, number>) =>
    Object.fromEntries([...counts].sort(([one], [other]) => (one < other ? -1 : 1)))
  return { byState: named(sums.byState), byKind: named(sums.byKind), byFace: named(sums.byFace) }
}

const keptCounts = (views: Views, { state, kind, face }: OperationFilter): readonly Count[] =>
  views.all<Count>(
    `SELECT state, kind, nullif(face, '') AS face, count FROM counts
     WHERE (?1 IS NULL OR state IN (SELECT value FROM json_each(?1)))
       AND (?2 IS NULL OR kind IN (SELECT value FROM json_each(?2)))
       AND (?3 IS NULL OR face IN (SELECT value FROM json_each(?3)))`,
    ...[state, kind, face].map((values) => (values === undefined ? null : JSON.stringify(values))),
  )

/** The ids of what a filter finds, the earliest first; at most `most` of them. */
export const findIds = async (views: Views, filter: OperationFilter, most: number): Promise<readonly string[]> => {
  const ids: string[] = []
  for await (const seqs of placesOf(views, filter, most)) {
    const found = views.all<{ id: string }>(
      `SELECT id FROM operations WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq`,
      JSON.stringify(seqs),
    )
    ids.push(...found.map(({ id }) => id))
  }
  return ids
}

/** Numbers of operations in order, some at a time. */
async function* placesOf(
  views: Views,
  filter: OperationFilter,
  most = Number.POSITIVE_INFINITY,
): AsyncGenerator<readonly number[]> {
  let after: OperationPlace | undefined
  for (let left = most; left > 0; ) {
    const limit = Math.min(left, rowsPerTurn)
    const found = listPlaces(views, { ...filter, order: 'asc', after, limit })
    const page = found.slice(0, limit)
    if (page.length > 0) yield page.map(([, seq]) => seq)
    if (found.length <= limit) return
    left -= page.length
    after = page.at(-1)
    await nextTurn()
  }
}
