import { z } from 'zod'
import type { CrawlingSettings } from '../../commands/crawling/settings.ts'
import { instant } from '../../lib/clock.ts'
import { counterQueries } from '../../projections/crawling/counters.ts'
import { crawlQueries } from '../../projections/crawling/crawl-queries.ts'
import type { QueueRow } from '../../projections/crawling/crawl-rows.ts'
import { createQueueHolds } from '../../projections/crawling/why-a-crawl-waits.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import { anyOf, cursor, limit } from '../reading/query.ts'
import { json } from '../replies/json.ts'
import { listReplies, listResponse, paged } from '../replies/lists.ts'
import { ClusterStatusSchema, CountersSchema, QueueSchema } from './crawl-schemas.ts'
import type { NodeStatus } from './node-status.ts'

/** How a process was and who lived is not in the log. */
const unknown = { kafkaConnected: null, redisConnected: null, nodeHealth: null, uptimeMs: null, workers: null }

const tag = 'Crawls'
const scope = 'v1:read'

type Throttling = Pick<CrawlingSettings, 'hits' | 'windowS' | 'moderated'>

/** Queues with the time of their next fetch, and counters. Source: crawling contract, section 14. */
export const queueRoutes = ({
  ports,
  settings,
  status,
  id,
}: {
  readonly ports: Pick<HttpPorts, 'clock' | 'leases'>
  readonly settings: Throttling
  readonly status: () => Promise<NodeStatus>
  readonly id: string
}): readonly NativeRoute[] => {
  const { clock, leases } = ports
  return [
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/queue',
      summary: 'List queues with a backlog',
      description: 'One per spider and registered domain, with the earliest moment at which its next page may be fetched.',
      tag,
      scope,
      query: z.object({ spiderid: anyOf('Of these spiders'), domain: anyOf('Of these domains'), limit: limit(), cursor }),
      answers: listReplies(QueueSchema),
      reads: ['crawling-pages'],
      handle: ({ known, query }) => {
        const views = known.views('crawling-pages')
        const holdOf = createQueueHolds({ views, settings, now: known.now })
        const shown = (row: QueueRow) => {
          const { blacklisted, nextStart } = holdOf(row)
          return { ...row, blacklisted, nextStartAt: Number.isFinite(nextStart) ? instant(nextStart) : null }
        }
        return listResponse(crawlQueries(views).queues(paged(query, ['string', 'string'])), known, shown)
      },
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/counters',
      summary: 'Get the counters of requests and fetches',
      description: 'Counts for rolling windows (in seconds) and for the whole lifetime.',
      tag,
      scope,
      answers: { 200: { description: 'The counters', schema: CountersSchema } },
      reads: ['crawling-counters'],
      handle: ({ known }) => {
        const now = known.now()
        const counters = counterQueries(known.views('crawling-counters'))
        const incoming = counters.requests('incoming', now)
        const monitor = counters.requests('monitor', now)
        return json({ incoming, monitor, fetches: counters.fetches(now) })
      },
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/status',
      summary: 'Get the state of crawling as a whole',
      tag,
      scope,
      answers: { 200: { description: 'The state', schema: ClusterStatusSchema } },
      reads: ['crawling-pages'],
      handle: async ({ known }) => {
        const { totals } = crawlQueries(known.views('crawling-pages'))
        if (known.asOf !== null) return json({ ...unknown, myId: id, ...totals() })
        const { kafkaConnected, redisConnected, nodeHealth, uptimeMs } = await status()
        const workers = leases
          .live(clock.monotonic())
          .map(({ worker, host, kinds }) => ({ id: worker, host, kinds: kinds.filter((kind) => kind.startsWith('crawling.')) }))
          .filter(({ kinds }) => kinds.length > 0)
        // Read last: the answer says where the views stand when it is sent.
        return json({ kafkaConnected, redisConnected, nodeHealth, myId: id, uptimeMs, ...totals(), workers })
      },
    }),
  ]
}
