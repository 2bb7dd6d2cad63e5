import { parseInstant } from '../../lib/clock.ts'
import type { Tx } from '../projection.ts'

/** A rolling window is a sum of buckets; it may reach back by at most one bucket too far. */
export const bucketMs = 10_000
export const longestWindowMs = 604_800_000

/** The counted facts. */
export interface Counter {
  readonly kind: 'incoming' | 'monitor' | 'fetch'
  readonly name: string
  readonly host?: string
  readonly code?: string
}

/** Counts what happens in memory and writes it together: a request or a page is four statements otherwise, or eight (5 → 2 µs a page). */
export interface CounterTables {
  count(recordedAt: string, counter: Counter): void
  write(): void
  forget(): void
}

interface Gathered {
  readonly key: readonly [kind: string, name: string, host: string, code: string]
  /** In the order in which they were first counted in. */
  readonly buckets: Map<number, number>
}

/** Whatever is written together leaves the rows that one event at a time would have left. */
export const counterTables = (tx: Tx): CounterTables => {
  const gathered = new Map<string, Gathered>()

  const write = (): void => {
    for (const { key, buckets } of gathered.values()) {
      let sum = 0
      for (const [bucket, n] of buckets) {
        sum += n
        const known = tx.get(
          `SELECT 1 FROM buckets WHERE kind = ? AND name = ? AND host = ? AND code = ? AND at = ?`,
          ...key,
          bucket,
        )
        if (known === undefined)
          tx.run(
            `DELETE FROM buckets WHERE kind = ? AND name = ? AND host = ? AND code = ? AND at < ?`,
            ...key,
            oldestBeside(bucket),
          )
        tx.run(
          `INSERT INTO buckets (kind, name, host, code, at, n) VALUES (?, ?, ?, ?, ?, ?)
           ON CONFLICT (kind, name, host, code, at) DO UPDATE SET n = n + excluded.n`,
          ...key,
          bucket,
          n,
        )
      }
      tx.run(
        `INSERT INTO lifetimes (kind, name, host, code, n) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (kind, name, host, code) DO UPDATE SET n = n + excluded.n`,
        ...key,
        sum,
      )
    }
    gathered.clear()
  }

  return {
    count: (recordedAt, { kind, name, host = '', code = '' }) => {
      const bucket = Math.floor(parseInstant(recordedAt) / bucketMs)
      const text = `${kind}\n${code}\n${host}\n${name}`
      let of = gathered.get(text)
      if (of === undefined) {
        of = { key: [kind, name, host, code], buckets: new Map() }
        gathered.set(text, of)
      }
      const n = of.buckets.get(bucket)
      // A clock that was days behind: what this bucket makes too old must be written before it, and counted anew after it.
      if (
        n === undefined &&
        [...of.buckets.keys()].some((other) => other < oldestBeside(bucket) || bucket < oldestBeside(other))
      ) {
        write()
        gathered.set(text, { ...of, buckets: new Map([[bucket, 1]]) })
      } else of.buckets.set(bucket, (n ?? 0) + 1)
    },
    write,
    forget: () => gathered.clear(),
  }
}

/** Buckets before this one are in no window any more when there is this one. */
const oldestBeside = (bucket: number): number => bucket - longestWindowMs / bucketMs - 1
