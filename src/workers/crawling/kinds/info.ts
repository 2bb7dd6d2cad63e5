import { ActionRequest } from '../../../commands/crawling/requests.ts'
import { crawlQueries } from '../../../projections/crawling/crawl-queries.ts'
import type { CrawlPending } from '../../../projections/crawling/crawl-rows.ts'
import type { Work } from '../../work.ts'
import { type AnsweringPorts, answeringPolicy, caughtUp, serverTime } from './answering.ts'

/** Counts the queue of one crawl or of all crawls of an application. Source: crawling contract, sections 5.1 and 5.2. */
export const infoWork = (ports: AnsweringPorts): Work<ActionRequest> => ({
  kind: 'crawling.info',
  face: 'crawling',
  description: 'Counts the queued requests of a crawl, or of all crawls of an application',
  submittable: false,
  input: ActionRequest,
  policy: answeringPolicy,
  run: async ({ uuid, appid, spiderid, crawlid }) => {
    await caughtUp(ports, ['crawling-pages'])
    const queries = crawlQueries(ports.projections.views('crawling-pages'))
    const server_time = serverTime(ports.clock)
    if (crawlid !== undefined) {
      const pending = queries.info({ spiderid, appid, crawlid })
      return {
        uuid,
        server_time,
        appid,
        crawlid,
        spiderid,
        total_pending: pending.total,
        total_domains: Object.keys(pending.domains).length,
        domains: pending.domains,
        // Text here and a number below: so the original answers.
        ...(pending.expires === null ? {} : { expires: String(pending.expires) }),
      } as never
    }
    const crawls = [...queries.infoOfApp(appid, spiderid)]
    return {
      uuid,
      server_time,
      appid,
      spiderid,
      total_pending: crawls.reduce((sum, [, { total }]) => sum + total, 0),
      total_domains: new Set(crawls.flatMap(([, { domains }]) => Object.keys(domains))).size,
      total_crawlids: crawls.length,
      crawlids: Object.fromEntries(crawls.map(([id, pending]) => [id, crawlInfo(pending)])),
    } as never
  },
})

const crawlInfo = ({ total, domains, expires }: CrawlPending) => ({
  total,
  distinct_domains: Object.keys(domains).length,
  domains,
  ...(expires === null ? {} : { expires }),
})
