import type { CrawlName } from '../../events/crawling/crawl-key.ts'
import type { Tx } from '../projection.ts'
import { liveOperations } from './purge-queue.ts'

/** Addresses that count as seen. The memory belongs to spider and crawlid, whoever's crawl it is. Source: crawling contract, section 6.5. */
export const remember = (tx: Tx, { spiderid, crawlid }: CrawlName, fingerprints: readonly string[]): void => {
  for (const fingerprint of fingerprints)
    tx.run(`INSERT OR IGNORE INTO seen (spiderid, crawlid, fingerprint) VALUES (?, ?, ?)`, spiderid, crawlid, fingerprint)
}

/** Clears the memory, except for pages that are queued or in flight: those would be fetched twice. */
export const forget = (tx: Tx, { spiderid, crawlid }: CrawlName): void => {
  tx.run(`DELETE FROM seen WHERE spiderid = ? AND crawlid = ?`, spiderid, crawlid)
  const crawls = tx.all<{ key: string }>(`SELECT key FROM crawls WHERE crawlid = ? AND spiderid = ?`, crawlid, spiderid)
  for (const { key } of crawls)
    for (const state of ['queued', 'fetching'])
      tx.run(
        `INSERT OR IGNORE INTO seen (spiderid, crawlid, fingerprint)
         SELECT ?, ?, fingerprint FROM pages WHERE operation IN (${liveOperations}) AND state = '${state}' AND fingerprint IS NOT NULL`,
        spiderid,
        crawlid,
        key,
      )
}
