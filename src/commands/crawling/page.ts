import type { PageEvent, QueuedPage } from '../../events/crawling/page.ts'
import { type Decider, nothing, refuse } from '../decider.ts'

type DataOf<Type extends PageEvent['type']> = Extract<PageEvent, { readonly type: Type }>['data']

/** How a fetch ended: with an item, back in the queue, or with nothing. */
export type PageOutcome = Extract<
  PageEvent,
  { readonly type: 'PageRetryScheduled' | 'PageRedirected' | 'PageFetched' | 'PageFetchFailed' | 'PageDropped' }
>

/** Whether the memory of seen addresses, and that of page counters, starts anew with the links that were found. */
export interface FreshMemory {
  readonly forgot: boolean
  readonly forgotCounts: boolean
}
export const sameMemory: FreshMemory = { forgot: false, forgotCounts: false }

/** Whose page it is, as its events say. */
type PageOwner = Pick<DataOf<'PagesQueued'>, 'operation' | 'spiderid' | 'appid' | 'crawlid'>

interface FoundLinks {
  readonly found: readonly QueuedPage[]
  readonly memory: FreshMemory
}

export type PageCommand = { readonly page: string } & (
  | { readonly type: 'StartFetch'; readonly fetch: DataOf<'PageFetchStarted'> }
  | { readonly type: 'PutOffFetch'; readonly fetch: DataOf<'PageFetchPutOff'> }
  /**
   * Links of a page that has too many for one append. The fetch goes on; where it is lost, the next one queues them again under the same
   * ids, which counts once.
   */
  | ({ readonly type: 'QueueLinks' } & FoundLinks & { readonly fetch: PageOwner & { readonly attempt: number } })
  /** `found` are the (last) links to queue: they are recorded with the outcome or not at all. */
  | ({ readonly type: 'EndFetch'; readonly outcome: PageOutcome } & FoundLinks)
)
export interface PageState {
  readonly status: 'waiting' | 'fetching' | 'ended'
  /** Number of the last fetch, 0 before the first. */
  readonly attempt: number
}
export type PageRefusal =
  | { readonly reason: 'page-ended' }
  | { readonly reason: 'attempt-superseded'; readonly attempt: number }
  | { readonly reason: 'not-fetching' }

/** Most pages, and most characters of addresses, in one event, so that it stays well below the limit of every store. */
const pagesPerEvent = 500
const charactersPerEvent = 250_000

/** The life of one page. Fetches are numbered, and an outcome counts only for the fetch that is under way. */
export const page: Decider<PageCommand, PageEvent, PageState, PageRefusal> = {
  category: 'page',
  memory: 'last',
  streamOf: (command) => `page-${command.page}`,
  creates: (command) => command.type === 'StartFetch' && command.fetch.attempt === 1,
  initial: { status: 'waiting', attempt: 0 },
  isTerminal: ({ status }) => status === 'ended',
  evolve: (state, { type, data }) => {
    switch (type) {
      case 'PageFetchStarted':
        return { status: 'fetching', attempt: data.attempt }
      case 'PageRetryScheduled':
      case 'PageRedirected':
      case 'PageFetchPutOff':
        return { status: 'waiting', attempt: data.attempt }
      case 'PageFetched':
      case 'PageFetchFailed':
      case 'PageDropped':
        return { status: 'ended', attempt: data.attempt }
      case 'PagesQueued':
        return data.attempt === undefined ? state : { status: 'fetching', attempt: data.attempt }
    }
  },
  decide: (command, { status, attempt }) => {
    if (status === 'ended') return refuse({ reason: 'page-ended' })
    if (command.type === 'StartFetch') {
      // A fetch that was lost left no outcome: the next one simply has the next number.
      if (command.fetch.attempt <= attempt) return refuse({ reason: 'attempt-superseded', attempt })
      return { events: [{ type: 'PageFetchStarted', data: command.fetch }] }
    }
    if (command.type === 'PutOffFetch') {
      if (command.fetch.attempt !== attempt) return refuse({ reason: 'attempt-superseded', attempt })
      return status === 'fetching' ? { events: [{ type: 'PageFetchPutOff', data: command.fetch }] } : nothing
    }
    const fetch = command.type === 'QueueLinks' ? command.fetch : command.outcome.data
    if (fetch.attempt !== attempt) return refuse({ reason: 'attempt-superseded', attempt })
    if (status !== 'fetching') return refuse({ reason: 'not-fetching' })
    if (command.type === 'QueueLinks') return { events: queuedEvents(fetch, command, { attempt }) }
    return { events: [...queuedEvents(fetch, command), command.outcome] }
  },
}

/** Before the first page is entered into a memory, it must be clear whether that one starts anew. */
function queuedEvents(
  { operation, spiderid, appid, crawlid }: PageOwner,
  { found, memory }: FoundLinks,
  of: { readonly attempt?: number } = {},
): PageEvent[] {
  const { forgot, forgotCounts } = memory
  return chunks(found).map((pages, index) => ({
    type: 'PagesQueued',
    data: {
      operation,
      spiderid,
      appid,
      crawlid,
      ...of,
      pages,
      forgot: forgot && index === 0,
      forgotCounts: forgotCounts && index === 0,
    },
  }))
}

function chunks(pages: readonly QueuedPage[]): QueuedPage[][] {
  const all: QueuedPage[][] = []
  let characters = 0
  for (const queued of pages) {
    const length = queued.url.length + (queued.referer?.length ?? 0)
    const current = all.at(-1)
    if (current === undefined || current.length >= pagesPerEvent || characters + length > charactersPerEvent) {
      all.push([queued])
      characters = length
    } else {
      current.push(queued)
      characters += length
    }
  }
  return all
}
