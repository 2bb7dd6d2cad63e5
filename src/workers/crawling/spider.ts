import type { Logger } from 'pino'
import { type PageOutcome, page as pageDecider, sameMemory } from '../../commands/crawling/page.ts'
import type { CrawlInput } from '../../commands/crawling/requests.ts'
import type { CrawlingSettings } from '../../commands/crawling/settings.ts'
import type { CommandContext, Executor } from '../../commands/execute.ts'
import type { Clock } from '../../lib/clock.ts'
import { messageOf, RevisionConflict, Unacceptable, Unavailable } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { JsonValue } from '../../lib/json.ts'
import { crawlKind } from '../../projections/crawling/pages.ts'
import { type Job, type NextPage, queueQueries, type ThrottleRule } from '../../projections/crawling/queue-queries.ts'
import type { Projections } from '../../projections/projection.ts'
import type { Blobs } from '../../stores/blobs.ts'
import type { EventLog, Position, RecordedEvent } from '../../stores/event-log.ts'
import { type WorkContext, WorkFailed } from '../work.ts'
import { fingerprint } from './canonical-url.ts'
import { createLinkTests } from './link-tests.ts'
import { createPageFetcher, filterOf, type PageResult } from './page-fetch.ts'
import { createPageQueues, type PickedPage } from './page-queues.ts'
import type { Targets } from './targets.ts'

export interface SpiderPorts {
  readonly log: EventLog
  readonly executor: Executor
  readonly projections: Projections
  readonly blobs: Blobs
  readonly targets: Targets
  readonly settings: CrawlingSettings
  readonly clock: Clock
  readonly logger: Logger
  /** Who fetches: shown in events and counters. */
  readonly node: { readonly id: string; readonly host: string }
  /** Ends the spider: nothing is picked any more. What is being fetched ends with its operation. */
  readonly signal: AbortSignal
}

/** Reasons of a cancellation that lets pages finish which are on their way. */
export const gentleReasons: Readonly<Record<'stopped' | 'expired', string>> = {
  stopped: 'crawl stopped',
  expired: 'crawl expired',
}

/** The spiders that this program brings along. */
export const spiders = ['link'] as const

/** What every outcome says of its fetch. */
type FetchedBy = Omit<Extract<PageOutcome, { readonly type: 'PageFetchFailed' }>['data'], 'url' | 'reason' | 'message'>

/** An operation whose pages may be fetched here. */
interface Running {
  readonly input: CrawlInput
  readonly filter: ReturnType<typeof filterOf>
  readonly context: Omit<CommandContext, 'commandId'>
  readonly work: WorkContext
  readonly inFlight: Set<string>
  readonly abort: AbortController
  readonly done: PromiseWithResolvers<void>
  isClosing: boolean
}

const view = { names: ['crawling-pages'] } as const
const viewWaitMs = 5_000
const pauseMs = 200
const wokenAtOnce = 100

export type Spider = ReturnType<typeof createSpider>

/**
 * Fetches what is queued: of every domain that its throttle grants the page with the highest priority, the first among equals.
 * An operation is claimed with its first page. Source: crawling contract, section 6.
 */
export const createSpider = (ports: SpiderPorts) => {
  const { log, executor, projections, settings, clock, logger, node, signal } = ports
  const running = new Map<string, Running>()
  /** Pages whose last event the view does not show yet: they must not be picked from what it says. */
  const busy = new Set<string>()
  /** Operations that could not be claimed; the next ring of the bell frees them. */
  const blocked = new Set<string>()
  const claiming = new Map<string, Promise<Running | undefined>>()
  const claimed = new Map<string, (running: Running | undefined) => void>()
  const woken = new Set<string>()
  let start: ((operationId: string) => Promise<boolean>) | undefined
  let cancelTimer = (): void => {}
  let fetching = 0

  const queries = lazily(() => queueQueries(projections.views('crawling-pages')))
  const queues = lazily(() => createPageQueues({ queries: queries(), settings, clock, spiders }))
  const fetcher = lazily(() =>
    createPageFetcher({ ...ports, host: node.host, tests: createLinkTests({ queries: queries(), settings, clock }) }),
  )

  /** Waits until the view holds a position, however long it takes; false where the spider ends before. */
  const seen = async (position: Position): Promise<boolean> => {
    while (!signal.aborted) {
      if (await projections.reached(position, { ...view, timeoutMs: viewWaitMs })) return true
      logger.warn({ position }, 'the view of pages is behind; the spider waits for it')
      await clock.sleep(pauseMs, signal).catch(() => undefined)
    }
    return false
  }

  const pump = (): void => {
    cancelTimer()
    cancelTimer = () => {}
    if (start === undefined) return
    while (fetching < settings.concurrency && !signal.aborted) {
      const picked = queues().pick([...busy], [...blocked])
      if ('page' in picked) {
        fetching++
        busy.add(picked.page.id)
        void carryOut(picked)
        continue
      }
      if (picked.later !== undefined) cancelTimer = clock.after(Math.max(picked.later - clock.now(), 0), pump)
      return
    }
  }

  const carryOut = async ({ page, release }: PickedPage): Promise<void> => {
    try {
      const job = await claim(page.operation)
      if (job === undefined) blocked.add(page.operation)
      else if (!job.isClosing) await fetchFor(job, page)
    } catch (error) {
      if (!signal.aborted) logger.error({ err: error, page: page.id, url: page.url }, 'a page could not be fetched or recorded')
      await clock.sleep(pauseMs, signal).catch(() => undefined)
    } finally {
      fetching--
      busy.delete(page.id)
      release()
      queues().activate(page)
      pump()
    }
  }

  const fetchFor = async (job: Running, page: NextPage): Promise<void> => {
    job.inFlight.add(page.id)
    try {
      await fetchPage(job, page)
    } finally {
      job.inFlight.delete(page.id)
      settle(page.operation, job)
    }
  }

  const fetchPage = async (job: Running, page: NextPage): Promise<void> => {
    const { input, filter, abort } = job
    const { operation, spiderid, url, domain, depth, priority } = page
    const { appid, crawlid } = input
    const about = { operation, spiderid, appid, crawlid, attempt: page.attempts + 1, host: node.host }
    const fetch = { ...about, url, fingerprint: fingerprint('GET', url), domain, depth, priority, worker: node.id }
    const started = await executor.execute(pageDecider, { type: 'StartFetch', page: page.id, fetch }, contextOf(job))
    if (started.refused || started.position === null) {
      // The view was behind: what it does not show yet is before the head of the log.
      await seen(await log.head())
      return
    }
    const result = await fetcher()(page, { input, filter, signal: abort.signal }).catch((error: unknown): PageResult => {
      if (abort.signal.aborted) throw error
      logger.error({ err: error, page: page.id, url }, 'what was fetched could not be kept')
      return lost(page, about, error)
    })
    try {
      await record(job, page, result)
    } catch (error) {
      // No other way to end it: what cannot be recorded now will not be recordable later.
      if (!(error instanceof Unacceptable)) throw error
      const data = { ...about, url, reason: 'parse' as const, message: error.message }
      await record(job, page, { outcome: { type: 'PageFetchFailed', data }, found: [], memory: sameMemory })
    } finally {
      result.release()
    }
    report(page.operation, job)
  }

  /** The store could not keep the page: another try, as after a lost connection. */
  const lost = (page: NextPage, about: FetchedBy, error: unknown): PageResult => {
    const why = { reason: 'lost' as const, message: messageOf(error) }
    const { url, domain, priority } = page
    const outcome: PageOutcome =
      page.retries < settings.retries
        ? { type: 'PageRetryScheduled', data: { ...about, ...why, domain, priority } }
        : { type: 'PageFetchFailed', data: { ...about, ...why, url } }
    return { outcome, found: [], memory: sameMemory, release: () => {} }
  }

  /** Repeats while the log is out of reach: a page without an outcome would keep its crawl from ending. */
  const record = async (job: Running, page: NextPage, { outcome, found, memory }: Omit<PageResult, 'release'>): Promise<void> => {
    const context = contextOf(job)
    for (;;) {
      try {
        const ended = await executor.execute(pageDecider, { type: 'EndFetch', page: page.id, outcome, found, memory }, context)
        await seen((ended.refused ? null : ended.position) ?? (await log.head()))
        return
      } catch (error) {
        const isPassing = error instanceof Unavailable || error instanceof RevisionConflict
        if (!isPassing || job.abort.signal.aborted) throw error
        logger.warn({ err: error, page: page.id }, 'the log did not take the outcome of a page; trying again')
        await clock.sleep(pauseMs)
      }
    }
  }

  /** The operation, claimed where it was not running here; undefined where somebody else has it or it has ended. */
  const claim = (operation: string): Promise<Running | undefined> => {
    const known = running.get(operation)
    if (known !== undefined) return Promise.resolve(known)
    const under = claiming.get(operation)
    if (under !== undefined) return under
    const { promise: begun, resolve } = Promise.withResolvers<Running | undefined>()
    claimed.set(operation, resolve)
    const attempt = (async (): Promise<Running | undefined> => {
      try {
        return (await start?.(operation)) ? await begun : undefined
      } finally {
        claiming.delete(operation)
        claimed.delete(operation)
      }
    })()
    claiming.set(operation, attempt)
    return attempt
  }

  /** Ends the run of an operation that has no page left, or that was told to stop and has none on its way. */
  const settle = (operation: string, job: Running): void => {
    if (job.inFlight.size > 0) return
    if (job.isClosing) job.done.reject(job.work.signal.reason)
    else {
      const row = queries().job(operation)
      // A stopped crawl's operation is about to be cancelled: that is its end, not success.
      if (row === undefined || (row.pending === 0 && row.doomed === null)) job.done.resolve()
    }
  }

  const report = (operation: string, job: Running): void => {
    const row = queries().job(operation)
    if (row === undefined) return
    const ended = row.fetched + row.failed
    const all = ended + row.pending
    if (all > 0) job.work.progress({ phase: 'fetch', fraction: ended / all, detail: `${ended} of ${all} pages` })
  }

  /** A stopped or expired crawl lets its pages finish; every other interruption breaks them off. */
  const close = async (operation: string, job: Running): Promise<void> => {
    job.isClosing = true
    await projections.reached(await log.head(), { ...view, timeoutMs: viewWaitMs }).catch(() => false)
    const reason = signal.aborted ? null : queries().job(operation)?.cancel_reason
    if (reason !== gentleReasons.stopped && reason !== gentleReasons.expired) job.abort.abort(job.work.signal.reason)
    settle(operation, job)
  }

  const onApplied = (events: readonly RecordedEvent[]): void => {
    for (const event of events) notice(event)
    pump()
  }

  const notice = (event: RecordedEvent): void => {
    const { type, data } = event
    const word = (member: string): string => String(data[member] ?? '')
    switch (type) {
      case 'OperationRequested':
        if (data.kind === crawlKind) for (const queue of queries().queuesOf(idOf(event))) queues().activate(queue)
        break
      case 'PagesQueued': {
        const pages = data.pages as unknown as readonly { readonly domain: string }[]
        for (const domain of new Set(pages.map((queued) => queued.domain)))
          queues().activate({ spiderid: word('spiderid'), domain })
        break
      }
      case 'PageRetryScheduled':
      case 'PageRedirected':
        queues().activate({ spiderid: word('spiderid'), domain: word('domain') })
        break
      case 'DomainThrottleSet':
        queues().setRule(data as unknown as ThrottleRule)
        queues().reconsider(word('domain'))
        break
      case 'DomainThrottleRemoved':
        queues().removeRule(word('domain'))
        queues().reconsider(word('domain'))
        break
      case 'DomainUnblacklisted':
        queues().reconsider(word('domain'))
        break
      case 'OperationAttemptFailed':
      case 'OperationSucceeded':
      case 'OperationFailed':
      case 'OperationCancelled':
      case 'OperationTimedOut':
        // An attempt that ended before its work began leaves nobody waiting for it.
        claimed.get(idOf(event))?.(undefined)
        if (type !== 'OperationAttemptFailed') blocked.delete(idOf(event))
    }
  }

  /** Bells are answered a hand at a time: after a restart there is one for every crawl that waits. */
  const answerBells = async (): Promise<void> => {
    if (!(await seen(await log.head()))) return
    while (woken.size > 0 && !signal.aborted) {
      for (const operation of [...woken].slice(0, wokenAtOnce)) {
        woken.delete(operation)
        blocked.delete(operation)
        const job = queries().job(operation)
        if (job === undefined || running.has(operation)) continue
        for (const queue of queries().queuesOf(operation)) queues().activate(queue)
        // Its last page ended and the end of the operation was lost: only that is left to do.
        if (job.pending === 0 && job.state !== 'ended') void claim(operation).catch(() => undefined)
      }
      pump()
      await clock.sleep(0)
    }
  }

  return {
    attach: (starter: (operationId: string) => Promise<boolean>): void => {
      start = starter
      const end = projections.onApplied(onApplied)
      signal.addEventListener('abort', () => {
        end()
        cancelTimer()
      })
      queues().load()
      pump()
    },
    wake: (operationId: string): void => {
      const isFirst = woken.size === 0
      woken.add(operationId)
      if (isFirst) void answerBells().catch((error: unknown) => logger.error({ err: error }, 'a crawl could not be woken'))
    },
    /** Resolves with the counts when no page of the operation is queued or being fetched. */
    run: async (input: CrawlInput, work: WorkContext): Promise<JsonValue> => {
      const { operationId, actor, correlationId } = work
      const job: Running = {
        input,
        filter: filterOf(input),
        context: { actor, correlationId },
        work,
        inFlight: new Set(),
        abort: new AbortController(),
        done: Promise.withResolvers(),
        isClosing: false,
      }
      // It may be told to stop before anybody waits for its end.
      job.done.promise.catch(() => undefined)
      running.set(operationId, job)
      const onAbort = (): void => void close(operationId, job).catch((error: unknown) => job.done.reject(error))
      work.signal.addEventListener('abort', onAbort, { once: true })
      try {
        claimed.get(operationId)?.(job)
        blocked.delete(operationId)
        if (work.signal.aborted) onAbort()
        await seen(await log.head())
        for (const queue of queries().queuesOf(operationId)) queues().activate(queue)
        settle(operationId, job)
        pump()
        await job.done.promise
        return resultOf(input, queries().job(operationId), queries().codesOf(operationId))
      } finally {
        work.signal.removeEventListener('abort', onAbort)
        running.delete(operationId)
      }
    },
  }
}

const contextOf = ({ context }: Running): CommandContext => ({ ...context, commandId: newId() })
const idOf = (event: RecordedEvent): string => event.stream.slice('operation-'.length)

/** A crawl that brought nothing but failures failed; its error is that of its seed. */
const resultOf = (
  { spiderid, appid, crawlid }: CrawlInput,
  job: Job | undefined,
  codes: readonly { readonly code: number; readonly n: number }[],
): JsonValue => {
  const { fetched = 0, failed = 0, dropped = 0, purged = 0, failure, failure_message: message } = job ?? {}
  if (fetched === 0 && failed > 0)
    throw new WorkFailed((failure ?? 'failed').replaceAll('_', '-'), message ?? 'no page could be fetched', { retryable: false })
  const byStatus = Object.fromEntries(codes.map(({ code, n }) => [String(code), n]))
  return { spiderid, appid, crawlid, fetched, failed, dropped, purged, byStatus }
}

/** Views can be asked only when they run, which is after everything was put together. */
const lazily = <Value>(make: () => Value): (() => Value) => {
  let made: { readonly value: Value } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
