import { LRUCache } from 'lru-cache'
import { sha256 } from '../../lib/ids.ts'

/** What makes a crawl one crawl. All three are opaque: colons and other separators in them mean nothing. */
export interface CrawlName {
  readonly spiderid: string
  readonly appid: string
  readonly crawlid: string
}

const keyDigits = 32
/** Keys of recent crawls: every event of a page asks for its crawl's, some more than once. */
const known = new LRUCache<string, string>({ max: 500 })

/** Names a crawl in streams, paths and references: 32 hexadecimal digits, the same for the same three ids. */
export const crawlKey = ({ spiderid, appid, crawlid }: CrawlName): string => {
  const name = JSON.stringify([spiderid, appid, crawlid])
  let key = known.get(name)
  if (key === undefined) {
    key = sha256(name).slice(0, keyDigits)
    known.set(name, key)
  }
  return key
}
