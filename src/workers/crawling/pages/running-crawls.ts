import type { CrawlInput } from '../../../commands/crawling/requests.ts'
import type { CommandContext } from '../../../commands/execute.ts'
import type { JsonValue } from '../../../lib/json.ts'
import type { Job, QueueQueries } from '../../../projections/crawling/queue-queries.ts'
import { type WorkContext, WorkFailed } from '../../work.ts'
import type { LinkLists } from '../links/link-filter.ts'
import { gentleReasons } from './cancel-reasons.ts'
import type { Sight } from './pages-view.ts'

/** An operation whose pages are fetched here. */
export interface Run {
  readonly operation: string
  readonly input: CrawlInput
  /** Its `LinkLists` as JSON. */
  readonly lists: string
  readonly context: Omit<CommandContext, 'commandId'>
  /** Aborts the running fetches. */
  readonly abort: AbortController
  /** Nothing of it is begun any more. */
  isClosing(): boolean
}

interface Running extends Run {
  readonly work: WorkContext
  readonly inFlight: Set<string>
  readonly done: PromiseWithResolvers<void>
}

export interface RunsOptions {
  readonly queries: () => QueueQueries
  readonly sight: Sight
  /** The name that operations are claimed under. */
  readonly worker: () => string
  /** Claims an operation and runs it: resolves to false where that was refused. */
  readonly start: (operation: string) => Promise<boolean>
  /** Ends with the spider. */
  readonly signal: AbortSignal
  /** The operation begins here, or has nothing on its way any more: its queues may go on. */
  readonly onBegun: (operation: string) => void
}

export type Runs = ReturnType<typeof createRuns>

/** The operations that run here, from their claim to their end. */
export const createRuns = ({ queries, sight, worker, start, signal, onBegun }: RunsOptions) => {
  const running = new Map<string, Running>()
  const claiming = new Map<string, Promise<Run | undefined>>()
  const claimed = new Map<string, (run: Run | undefined) => void>()
  const closing = new Set<string>()
  /** How many run under which name. */
  const names = new Map<string, number>()

  /** Ends the run of an operation that has no page left, or that was told to stop and has none on its way. */
  const settle = (run: Running, known?: Job): void => {
    if (run.inFlight.size > 0) return
    if (closing.has(run.operation)) run.done.reject(run.work.signal.reason)
    else {
      const row = known ?? queries().job(run.operation)
      // A stopped crawl's operation is about to be cancelled: that is its end, not success.
      if (row === undefined || (row.pending === 0 && row.doomed === null)) run.done.resolve()
    }
  }

  const report = ({ work }: Running, row: Job | undefined): void => {
    if (row === undefined) return
    const ended = row.fetched + row.failed
    const all = ended + row.pending
    if (all > 0) work.progress({ phase: 'fetch', fraction: ended / all, detail: `${ended} of ${all} pages` })
  }

  /** A stopped or expired crawl lets its pages finish; every other interruption breaks them off. */
  const close = async (run: Running): Promise<void> => {
    closing.add(run.operation)
    await sight.glance().catch(() => false)
    const reason = signal.aborted ? null : queries().job(run.operation)?.cancel_reason
    if (reason !== gentleReasons.stopped && reason !== gentleReasons.expired) run.abort.abort(run.work.signal.reason)
    settle(run)
  }

  return {
    has: (operation: string): boolean => running.has(operation),
    /** Operations of which nothing may be begun. */
    closing: (): ReadonlySet<string> => closing,
    /** The names under which operations run here: more than one where a lease ran out. */
    holders: (): Iterable<string> => names.keys(),

    /** The operation, claimed where it was not running here; undefined where somebody else has it or it has ended. */
    claim: (operation: string): Promise<Run | undefined> => {
      const known = running.get(operation)
      if (known !== undefined) return Promise.resolve(known)
      const under = claiming.get(operation)
      if (under !== undefined) return under
      const { promise: begun, resolve } = Promise.withResolvers<Run | undefined>()
      claimed.set(operation, resolve)
      const attempt = (async (): Promise<Run | undefined> => {
        try {
          return (await start(operation)) ? await begun : undefined
        } finally {
          claiming.delete(operation)
          claimed.delete(operation)
        }
      })()
      claiming.set(operation, attempt)
      return attempt
    },
    /** If an attempt ends before its work begins, nothing waits for it. */
    attemptEnded: (operation: string): void => claimed.get(operation)?.(undefined),

    /** Does something with a page of the operation, which does not end before. */
    during: async (run: Run, page: string, work: () => Promise<void>): Promise<void> => {
      const own = running.get(run.operation)
      if (own === undefined) return
      own.inFlight.add(page)
      let row: Job | undefined
      try {
        await work()
        row = queries().job(own.operation)
        report(own, row)
      } finally {
        own.inFlight.delete(page)
        settle(own, row)
      }
    },

    /** Resolves with the counts when no page of the operation is queued or being fetched. */
    run: async (input: CrawlInput, work: WorkContext): Promise<JsonValue> => {
      const { operationId: operation, actor, correlationId } = work
      const holder = worker()
      const run: Running = {
        operation,
        input,
        lists: JSON.stringify(listsOf(input)),
        context: { actor, correlationId, causationId: operation },
        work,
        inFlight: new Set(),
        abort: new AbortController(),
        done: Promise.withResolvers(),
        isClosing: () => closing.has(operation),
      }
      // It may be told to stop before anybody waits for its end.
      run.done.promise.catch(() => undefined)
      running.set(operation, run)
      names.set(holder, (names.get(holder) ?? 0) + 1)
      const onAbort = (): void => void close(run).catch((error: unknown) => run.done.reject(error))
      work.signal.addEventListener('abort', onAbort, { once: true })
      try {
        claimed.get(operation)?.(run)
        if (work.signal.aborted) onAbort()
        await sight.seen()
        onBegun(operation)
        settle(run)
        await run.done.promise
        return resultOf(input, queries().job(operation), queries().codesOf(operation))
      } finally {
        work.signal.removeEventListener('abort', onAbort)
        running.delete(operation)
        closing.delete(operation)
        const left = (names.get(holder) ?? 1) - 1
        if (left > 0) names.set(holder, left)
        else names.delete(holder)
      }
    },
  }
}

const listsOf = (input: CrawlInput): LinkLists => ({
  allowRegex: input.allow_regex ?? null,
  denyRegex: input.deny_regex ?? null,
  allowedDomains: input.allowed_domains ?? null,
  denyExtensions: input.deny_extensions ?? null,
})

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
