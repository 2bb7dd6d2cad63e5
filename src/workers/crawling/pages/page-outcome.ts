import type { Logger } from 'pino'
import { type PageCommand, type PageOutcome, page as pageDecider, sameMemory } from '../../../commands/crawling/page.ts'
import type { CrawlingSettings } from '../../../commands/crawling/settings.ts'
import type { CommandContext, Executor } from '../../../commands/execute.ts'
import type { Clock } from '../../../lib/clock.ts'
import { messageOf, RevisionConflict, Unacceptable, Unavailable } from '../../../lib/errors.ts'
import { eventId, newId } from '../../../lib/ids.ts'
import type { NextPage } from '../../../projections/crawling/queue-queries.ts'
import { fingerprint } from '../links/canonical-url.ts'
import type { PickedPage } from './next-page.ts'
import type { createPageFetcher, FetchOrder, PageResult } from './page-fetch.ts'
import type { Sight } from './pages-view.ts'
import type { Run } from './running-crawls.ts'

/** What every outcome says of its fetch. */
type FetchedBy = Omit<Extract<PageOutcome, { readonly type: 'PageFetchFailed' }>['data'], 'url' | 'reason' | 'message'>

/** What becomes of a page. */
type Recorded = Extract<PageCommand, { readonly type: 'QueueLinks' | 'EndFetch' }>

/** Another fetch of the page has begun: this one has nothing to say any more. */
class Superseded extends Error {
  override readonly name = 'Superseded'
  constructor() {
    super('another fetch of the page has begun')
  }
}

const pauseMs = 200

/**
 * One fetch of one page: recorded, done, its outcome recorded. Where others crawl too, the order of the starts in the log is
 * looked at before anything is fetched: the throttle is everybody's. Rejects when the run breaks off or the log fails.
 */
export const createFetching = ({
  executor,
  sight,
  fetchPage,
  settings,
  clock,
  logger,
  node,
  isAlone,
}: {
  readonly executor: Executor
  readonly sight: Sight
  readonly fetchPage: () => Promise<ReturnType<typeof createPageFetcher>>
  readonly settings: CrawlingSettings
  readonly clock: Clock
  readonly logger: Logger
  readonly node: { readonly id: string; readonly host: string }
  readonly isAlone: () => boolean
}): ((run: Run, picked: PickedPage) => Promise<void>) => {
  /** Repeats while the log is out of reach: a page without an outcome would keep its crawl from ending. False where it is refused. */
  const record = async (run: Run, cause: string, command: Recorded): Promise<boolean> => {
    const context = contextOf(run, cause)
    for (;;) {
      try {
        const recorded = await executor.execute(pageDecider, command, context)
        await sight.seen((recorded.refused ? null : recorded.position) ?? undefined)
        return !recorded.refused
      } catch (error) {
        const isPassing = error instanceof Unavailable || error instanceof RevisionConflict
        if (!isPassing || run.abort.signal.aborted) throw error
        logger.warn({ err: error, page: command.page }, 'the result of a page was not recorded; trying again')
        await clock.sleep(pauseMs)
      }
    }
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

  /** Whether the start may be followed by a fetch. One that came too early is put off. */
  const isInTime = async (run: Run, picked: PickedPage, about: FetchedBy, cause: string): Promise<boolean> => {
    const { page } = picked
    const earlyMs = picked.tooEarlyMs(about.attempt)
    if (earlyMs === 0) return true
    const fetch = { ...about, domain: page.domain }
    const put = await executor.execute(pageDecider, { type: 'PutOffFetch', page: page.id, fetch }, contextOf(run, cause))
    picked.takeBack(earlyMs)
    await sight.seen((put.refused ? null : put.position) ?? undefined)
    return false
  }

  return async (run, picked) => {
    const { page } = picked
    const { input, lists, abort } = run
    const { operation, spiderid, url, domain, depth, priority } = page
    const { appid, crawlid } = input
    const about = { operation, spiderid, appid, crawlid, attempt: page.attempts + 1, host: node.host }
    const fetch = {
      ...about,
      url,
      fingerprint: page.fingerprint ?? fingerprint('GET', url),
      domain,
      depth,
      priority,
      worker: node.id,
    }
    const context = contextOf(run)
    const cause = eventId(context.commandId, 0)
    const started = await executor.execute(pageDecider, { type: 'StartFetch', page: page.id, fetch }, context)
    if (started.refused || started.position === null) {
      // The view was behind: what it does not show yet is before the head of the log.
      picked.takeBack()
      await sight.seen()
      return
    }
    const isShared = !isAlone()
    // A cap of queued pages must not count this one any longer when its links are tested.
    const isShown = (isShared || settings.maxQueued > 0) && (await sight.seen(started.position))
    if (isShared && isShown && !(await isInTime(run, picked, about, cause))) return
    const fetchOne = await fetchPage()
    const queue: FetchOrder['queue'] = async ({ found, memory }) => {
      if (!(await record(run, cause, { type: 'QueueLinks', page: page.id, fetch: about, found, memory }))) throw new Superseded()
    }
    const result = await fetchOne(page, { input, lists, queue, signal: abort.signal }).catch((error: unknown): PageResult => {
      if (abort.signal.aborted || error instanceof Superseded) throw error
      logger.error({ err: error, page: page.id, url }, 'the fetched page could not be stored')
      return lost(page, about, error)
    })
    try {
      const { outcome, found, memory } = result
      await record(run, cause, { type: 'EndFetch', page: page.id, outcome, found, memory })
    } catch (error) {
      // No other way to end it: what cannot be recorded now will not be recordable later.
      if (!(error instanceof Unacceptable)) throw error
      const data = { ...about, url, reason: 'parse' as const, message: error.message }
      const outcome = { type: 'PageFetchFailed', data } as const
      await record(run, cause, { type: 'EndFetch', page: page.id, outcome, found: [], memory: sameMemory })
    } finally {
      result.release()
    }
  }
}

/** What becomes of a page is caused by the event that says that its fetch began; that, by the operation. */
const contextOf = ({ context }: Run, causationId = context.causationId): CommandContext => ({
  ...context,
  ...(causationId === undefined ? {} : { causationId }),
  commandId: newId(),
})
