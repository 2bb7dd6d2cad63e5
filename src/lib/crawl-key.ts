import { sha256 } from './ids.ts'

/** What makes a crawl one crawl. All three are opaque: colons and other separators in them mean nothing. */
export interface CrawlName {
  readonly spiderid: string
  readonly appid: string
  readonly crawlid: string
}

const keyDigits = 32

/** Names a crawl in streams, paths and references: 32 hexadecimal digits, the same for the same three ids. */
export const crawlKey = ({ spiderid, appid, crawlid }: CrawlName): string =>
  sha256(JSON.stringify([spiderid, appid, crawlid])).slice(0, keyDigits)
