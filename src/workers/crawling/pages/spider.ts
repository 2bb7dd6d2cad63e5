import type { Logger } from 'pino'
import type { CrawlInput } from '../../../commands/crawling/requests.ts'
import type { CrawlingSettings } from '../../../commands/crawling/settings.ts'
import { spiders } from '../../../commands/crawling/spiders.ts'
import type { Executor } from '../../../commands/execute.ts'
import { operationOf } from '../../../events/operation.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { JsonValue } from '../../../lib/json.ts'
import { crawlKind } from '../../../projections/crawling/pages.ts'
import { queueQueries } from '../../../projections/crawling/queue-queries.ts'
import type { Projections } from '../../../projections/projection.ts'
import type { Blobs } from '../../../stores/blobs.ts'
import type { EventLog, RecordedEvent } from '../../../stores/event-log.ts'
import type { Leases } from '../../../stores/leases.ts'
import { createPeers } from '../../engine/peer-workers.ts'
import type { WorkContext } from '../../work.ts'
import { createLinkTests } from '../links/link-tests.ts'
import { createPageQueues, type PageQueues, type PickedPage } from './next-page.ts'
import { createFetching } from './page-outcome.ts'
import { createSight } from './pages-view.ts'
import { tellQueues } from './queue-updates.ts'
import { createRuns, type Runs } from './running-crawls.ts'

export interface SpiderPorts {
  readonly log: EventLog
  readonly executor: Executor
  readonly projections: Projections
  readonly blobs: Blobs
  readonly leases: Leases
  readonly settings: CrawlingSettings
  readonly clock: Clock
  readonly logger: Logger
  /** Who fetches: shown in events and counters. */
  readonly node: { readonly id: string; readonly host: string }
  /** Ends the spider: it picks no more pages. Running fetches end with their operations. */
  readonly signal: AbortSignal
}

const pauseMs = 200
/** Pause after a failed claim of an operation that no worker runs. */
const refusedRestMs = 2_000
const wokenAtOnce = 100
const mostHeard = 1_000

export interface Spider {
  attach(start: (operationId: string) => Promise<boolean>, worker: () => string): void
  wake(operationId: string): void
  run(input: CrawlInput, work: WorkContext): Promise<JsonValue>
}

/** What exists once a runtime has attached itself. */
interface Attached {
  readonly queues: PageQueues
  readonly runs: Runs
  readonly fetch: ReturnType<typeof createFetching>
}

/**
 * Fetches what is queued: of every domain that its throttle grants the page with the highest priority, the first among equals.
 * An operation is claimed with its first page, by the worker that owns the page's domain, and all its pages are fetched by
 * the worker that claimed it. Source: crawling contract, section 6.
 */
export const createSpider = (ports: SpiderPorts): Spider => {
  const { projections, leases, settings, clock, logger, node, signal } = ports
  const sight = createSight(ports)
  /** Pages whose last event the view does not show yet: they must not be picked from what it says. */
  const busy = new Set<string>()
  /** Operations whose claim was refused. */
  const blocked = new Set<string>()
  const woken = new Set<string>()
  /** Operations known since their request: their first job tells nothing new. */
  const heard = new Set<string>()
  let attached: Attached | undefined
  let cancelTimer = (): void => {}
  let fetching = 0
  let isAnswering = false

  const queries = lazily(() => queueQueries(projections.views('crawling-pages')))
  const fetchPage = lazily(async () => {
    const { createPageFetcher } = await import('./page-fetch.ts')
    return createPageFetcher({ ...ports, host: node.host, tests: createLinkTests({ queries: queries(), settings, clock }) })
  })

  const pump = (): void => {
    cancelTimer()
    cancelTimer = () => {}
    if (attached === undefined) return
    const { queues, runs } = attached
    while (fetching < settings.concurrency && !signal.aborted) {
      const picked = queues.pick(busy, runs.closing().size === 0 ? blocked : new Set([...blocked, ...runs.closing()]))
      if ('page' in picked) {
        fetching++
        busy.add(picked.page.id)
        void carryOut(attached, picked)
        continue
      }
      if (picked.later !== undefined) cancelTimer = clock.after(Math.max(picked.later - clock.monotonic(), 0), pump)
      return
    }
  }

  const carryOut = async ({ queues, runs, fetch }: Attached, picked: PickedPage): Promise<void> => {
    const { page } = picked
    try {
      const run = await runs.claim(page.operation)
      if (run === undefined) {
        picked.takeBack()
        await refused(page.operation)
      } else if (run.isClosing()) picked.takeBack()
      else await runs.during(run, page.id, () => fetch(run, picked))
    } catch (error) {
      if (!signal.aborted) logger.error({ err: error, page: page.id, url: page.url }, 'a page could not be fetched or recorded')
      await clock.sleep(pauseMs, signal).catch(() => undefined)
    } finally {
      fetching--
      busy.delete(page.id)
      picked.release()
      queues.activate(page)
      pump()
    }
  }

  /** Usually the view was behind and now shows the holder. A page without a holder is tried again after a pause. */
  const refused = async (operation: string): Promise<void> => {
    blocked.add(operation)
    await sight.seen()
    const job = queries().job(operation)
    if (job === undefined || job.holder !== '' || job.state === 'ended') blocked.delete(operation)
    else clock.after(refusedRestMs, () => takeUp(operation))
  }

  const takeUp = (operation: string): void => {
    if (attached === undefined || signal.aborted) return
    blocked.delete(operation)
    for (const queue of queries().queuesOf(operation)) attached.queues.activate(queue)
    pump()
  }

  /** Where others hear the bells, these are never asked for. */
  const hear = (operation: string): void => {
    if (heard.size >= mostHeard) heard.clear()
    heard.add(operation)
  }

  const onApplied = (events: readonly RecordedEvent[]): void => {
    if (attached === undefined) return
    const { queues, runs } = attached
    for (const event of events) {
      tellQueues(event, { queues, queries: queries(), node: node.id })
      if (event.type === 'OperationRequested' && event.data.kind === crawlKind) hear(operationOf(event))
      else if (event.type === 'OperationStarted') heard.delete(operationOf(event))
      if (endsOfAttempts.has(event.type)) runs.attemptEnded(operationOf(event))
    }
    pump()
  }

  /** Bells are answered a hand at a time: after a restart there is one for every crawl that waits. */
  const answerBells = async ({ queues, runs }: Attached): Promise<void> => {
    if (!(await sight.seen())) return
    while (woken.size > 0 && !signal.aborted) {
      for (const operation of [...woken].slice(0, wokenAtOnce)) {
        woken.delete(operation)
        if (heard.delete(operation)) continue
        const job = queries().job(operation)
        if (job === undefined || job.holder !== '' || job.state === 'ended') continue
        blocked.delete(operation)
        for (const queue of queries().queuesOf(operation)) queues.activate(queue)
        // Its last page ended and the end of the operation was lost: only that is left to do, and anybody may.
        if (job.pending === 0) void runs.claim(operation).catch(() => undefined)
      }
      pump()
      await clock.sleep(0)
    }
  }

  return {
    attach: (start, worker) => {
      const peers = createPeers({ leases, clock, kind: crawlKind, me: worker })
      const runs = createRuns({ queries, sight, worker, start, signal, onBegun: takeUp })
      const holders = (domain: string): readonly string[] => [...runs.holders(), ...(peers.owns(domain) ? [''] : [])]
      const queues = createPageQueues({ queries: queries(), settings, clock, spiders, holders })
      attached = { queues, runs, fetch: createFetching({ ...ports, sight, fetchPage, isAlone: peers.isAlone }) }
      const end = projections.onApplied(onApplied)
      signal.addEventListener('abort', () => {
        end()
        cancelTimer()
      })
      peers.onChange(() => {
        queues.load()
        pump()
      }, signal)
      queues.load()
      pump()
    },
    wake: (operationId) => {
      woken.add(operationId)
      if (isAnswering || attached === undefined) return
      isAnswering = true
      void answerBells(attached)
        .catch((error: unknown) => logger.error({ err: error }, 'crawls could not be woken; the next job wakes them'))
        .finally(() => {
          isAnswering = false
        })
    },
    run: (input, work) => {
      if (attached === undefined) throw new Error('a crawl was started before the spider')
      return attached.runs.run(input, work)
    },
  }
}

const endsOfAttempts = new Set([
  'OperationAttemptFailed',
  'OperationSucceeded',
  'OperationFailed',
  'OperationCancelled',
  'OperationTimedOut',
])

/** Views can be asked only when they run, which is after everything was put together. */
const lazily = <Value>(make: () => Value): (() => Value) => {
  let made: { readonly value: Value } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
