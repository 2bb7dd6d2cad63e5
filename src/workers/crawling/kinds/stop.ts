import { crawl } from '../../../commands/crawling/crawl.ts'
import { ActionRequest } from '../../../commands/crawling/requests.ts'
import type { Executor } from '../../../commands/execute.ts'
import { derivedId } from '../../../lib/ids.ts'
import { queueQueries } from '../../../projections/crawling/queue-queries.ts'
import { commandFrom } from '../../command-from.ts'
import type { Work } from '../../work.ts'
import { type AnsweringPorts, answeringPolicy, caughtUp, serverTime, unanswerable } from './answering.ts'

/**
 * Puts a crawl on the stop list for ever and empties its queue; pages on their way finish. Crawls that nobody fed are stopped
 * too. Source: crawling contract, section 5.3.
 */
export const stopWork = (ports: AnsweringPorts & { readonly executor: Executor }): Work<ActionRequest> => ({
  kind: 'crawling.stop',
  face: 'crawling',
  description: 'Stops a crawl: empties its queue, and follows no more of its links',
  submittable: false,
  input: ActionRequest,
  policy: answeringPolicy,
  run: async ({ uuid, appid, spiderid, crawlid }, context) => {
    const { operationId } = context
    if (crawlid === undefined) throw unanswerable('a stop names the crawl by its crawlid')
    const name = { spiderid, appid, crawlid }
    const stopped = await ports.executor.execute(
      crawl,
      { type: 'StopCrawl', name, operation: operationId, uuid },
      commandFrom(context, derivedId('stop', operationId)),
    )
    await caughtUp(ports, ['crawling-pages'], stopped.refused ? null : stopped.position)
    const total = queueQueries(ports.projections.views('crawling-pages')).purged(operationId) ?? 0
    return { action: 'stop', uuid, server_time: serverTime(ports.clock), appid, crawlid, spiderid, total_purged: total }
  },
})
