import type { Tx } from '../projection.ts'

/** Which pages a purge takes: a crawl's, or those of one operation. */
export type PurgeScope = { readonly crawl: string } | { readonly operation: string }

/** Only they have pages that are queued or being fetched. */
export const liveOperations = `SELECT operation FROM jobs WHERE crawl = ? AND state <> 'ended'`

interface Group {
  readonly crawl: string
  readonly spiderid: string
  readonly domain: string
  readonly operation: string
  readonly n: number
}

/**
 * Takes pages out of the queue and answers how many they were. Set by set, because a queue may hold hundreds of thousands
 * and the triggers would count each of them alone.
 */
export const purge = (tx: Tx, scope: PurgeScope, state: 'queued' | 'fetching', at: string): number => {
  const [operations, value] = 'crawl' in scope ? [`IN (${liveOperations})`, scope.crawl] : ['= ?', scope.operation]
  const where = `operation ${operations} AND state = '${state}'`
  const groups = tx.all<Group>(
    `SELECT crawl, spiderid, domain, operation, COUNT(*) AS n FROM pages WHERE ${where} GROUP BY crawl, spiderid, domain, operation`,
    value,
  )
  if (groups.length === 0) return 0
  tx.run(`UPDATE pages SET state = 'purged', ended_at = ? WHERE ${where}`, at, value)
  let total = 0
  for (const { crawl, spiderid, domain, operation, n } of groups) {
    total += n
    tx.run(
      `UPDATE crawl_counts SET ${state} = ${state} - ?1, purged = purged + ?1 WHERE crawl = ?2 AND domain = ?3`,
      n,
      crawl,
      domain,
    )
    if (state === 'queued')
      tx.run(`UPDATE queues SET backlog = backlog - ? WHERE spiderid = ? AND domain = ?`, n, spiderid, domain)
    tx.run(`UPDATE jobs SET pending = pending - ?, purged = purged + ? WHERE operation = ?`, n, n, operation)
    tx.run(`UPDATE crawls SET pending = pending - ? WHERE key = ?`, n, crawl)
  }
  return total
}

/** Counts pages that came too late to be queued at all. */
export const countPurged = (tx: Tx, crawl: string, domain: string, n: number): void =>
  tx.run(
    `INSERT INTO crawl_counts (crawl, domain, queued, fetching, purged) VALUES (?, ?, 0, 0, ?)
     ON CONFLICT (crawl, domain) DO UPDATE SET purged = purged + excluded.purged`,
    crawl,
    domain,
    n,
  )
