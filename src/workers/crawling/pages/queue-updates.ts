import { operationOf } from '../../../events/operation.ts'
import { parseInstant } from '../../../lib/clock.ts'
import { crawlKind } from '../../../projections/crawling/pages.ts'
import type { QueueName, QueueQueries, ThrottleRule } from '../../../projections/crawling/queue-queries.ts'
import { queueOfSeed, type RecordedInput } from '../../../projections/crawling/queued-page-rows.ts'
import type { RecordedEvent } from '../../../stores/event-log.ts'
import type { PageQueues } from './next-page.ts'

/** Tells the queues what an event that the view now holds means for them. `node` is the process whose starts they know already. */
export const tellQueues = (
  event: RecordedEvent,
  { queues, queries, node }: { readonly queues: PageQueues; readonly queries: QueueQueries; readonly node: string },
): void => {
  const { type, data } = event
  const word = (member: string): string => String(data[member] ?? '')
  const own = (): QueueName => ({ spiderid: word('spiderid'), domain: word('domain') })
  const page = (): string => event.stream.slice('page-'.length)
  switch (type) {
    case 'OperationRequested':
      if (data.kind === crawlKind) queues.activate(queueOfSeed(data.input as unknown as RecordedInput))
      break
    case 'OperationAttemptFailed':
      // Its pages are free: any worker may start them again.
      for (const queue of queries.queuesOf(operationOf(event))) queues.activate(queue)
      break
    case 'PageFetchStarted':
      if (data.worker !== node) queues.startedElsewhere(own(), page(), parseInstant(event.recordedAt))
      break
    case 'PageFetchPutOff':
      queues.ended(own(), page(), { isPutOff: true })
      break
    case 'PageFetched':
    case 'PageFetchFailed':
    case 'PageDropped':
      queues.ended(own(), page(), { isPutOff: false })
      break
    case 'PagesQueued': {
      const pages = data.pages as unknown as readonly { readonly domain: string }[]
      const { spiderid } = own()
      for (const domain of new Set(pages.map((queued) => queued.domain))) queues.activate({ spiderid, domain })
      break
    }
    case 'PageRetryScheduled':
    case 'PageRedirected':
      queues.ended(own(), page(), { isPutOff: false })
      queues.activate(own())
      break
    case 'DomainThrottleSet':
      queues.setRule(data as unknown as ThrottleRule)
      queues.reconsider(word('domain'))
      break
    case 'DomainThrottleRemoved':
      queues.removeRule(word('domain'))
      queues.reconsider(word('domain'))
      break
    case 'DomainUnblacklisted':
      queues.reconsider(word('domain'))
      break
  }
}
