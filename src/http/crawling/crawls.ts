import { z } from 'zod'
import type { CrawlingSettings } from '../../commands/crawling/settings.ts'
import { feedClasses } from '../../events/crawling/feed.ts'
import { answerQueries, answerStates } from '../../projections/crawling/answers.ts'
import { crawlQueries } from '../../projections/crawling/crawl-queries.ts'
import type { CrawlRow } from '../../projections/crawling/crawl-rows.ts'
import { itemQueries } from '../../projections/crawling/items.ts'
import { rejectionQueries } from '../../projections/crawling/rejections.ts'
import { createCrawlHolds } from '../../projections/crawling/why-a-crawl-waits.ts'
import type { Known } from '../../projections/known.ts'
import { type NativeRoute, nativeRoute } from '../faces/native-route.ts'
import { anyOf, cursor, limit, order, time } from '../reading/query.ts'
import { json } from '../replies/json.ts'
import { listReplies, listResponse, paged, resourceReplies } from '../replies/lists.ts'
import { Problem } from '../replies/problem.ts'
import {
  AnswerSchema,
  CrawlSchema,
  crawlStates,
  DomainRuleSchema,
  ItemEntrySchema,
  PageSchema,
  pageStates,
  RejectionSchema,
  StopSchema,
  TimerSchema,
} from './crawl-schemas.ts'
import { itemEntry } from './items.ts'

const tag = 'Crawls'
const scope = 'v1:read'
/** The crawl of the README. */
const keyExample = { key: 'e04ffba14e5c65543931f6b5834777f6' }
const reads = ['crawling-pages']
const paging = { limit: limit(), cursor }
const named = { spiderid: anyOf('Of these spiders'), appid: anyOf('Of these applications'), crawlid: anyOf('Of these crawls') }
const words = <Word extends string>(description: string, known: readonly Word[]) =>
  z.array(z.enum(known)).max(100).optional().meta({ description, repeatable: true })

/** The crawls of an application in detail: what its own face has no words for. Source: crawling contract, section 14. */
export const crawlRoutes = ({ settings }: { readonly settings: CrawlingSettings }): readonly NativeRoute[] => {
  const crawls = (known: Known) => crawlQueries(known.views('crawling-pages'))
  const crawlOf = (known: Known, key: string | undefined) => {
    const crawl = crawls(known).crawl(key ?? '')
    if (crawl === undefined) throw new Problem('not-found', `there is no crawl ${key}`)
    return crawl
  }
  const shown = (known: Known) => {
    const holds = createCrawlHolds({ views: known.views('crawling-pages'), settings, now: known.now })
    return (crawl: CrawlRow) => {
      const hold = crawl.queued > 0 && crawl.fetching === 0 ? holds.ofCrawl(crawl) : undefined
      return { ...crawl, waitingFor: hold === undefined ? null : { ...hold, since: crawl.lastActivityAt } }
    }
  }
  return [
    nativeRoute({
      method: 'get',
      path: '/v1/crawls',
      summary: 'List crawls',
      description: 'Newest first.',
      tag,
      scope,
      reads,
      query: z.object({ ...named, state: words('In these states', crawlStates), ...paging }),
      answers: listReplies(CrawlSchema),
      handle: ({ known, query }) => listResponse(crawls(known).crawls(paged(query, ['string'])), known, shown(known)),
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/rejections',
      summary: 'List rejected requests',
      description: 'Requests to `/feed` that matched no schema, with the reasons. Newest first.',
      tag,
      scope,
      reads: ['crawling-rejections'],
      query: z.object({
        uuid: anyOf('With these uuids'),
        appid: named.appid,
        nearestClass: words('Resembling these classes', feedClasses),
        ...paging,
      }),
      answers: listReplies(RejectionSchema),
      handle: ({ known, query }) =>
        listResponse(rejectionQueries(known.views('crawling-rejections')).list(paged(query, ['number'])), known),
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/pending-answers',
      summary: 'List requests that carried a uuid and what became of their answers',
      description: 'Reading an answer here does not remove it. Newest first.',
      tag,
      scope,
      reads: ['crawling-answers'],
      query: z.object({
        uuid: anyOf('With these uuids'),
        appid: named.appid,
        state: words('In these states', answerStates),
        ...paging,
      }),
      answers: listReplies(AnswerSchema),
      handle: ({ known, query }) =>
        listResponse(answerQueries(known.views('crawling-answers')).list(paged(query, ['number'])), known),
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/stop-list',
      summary: 'List crawls that were stopped or have expired',
      description: 'They never follow links again. Newest first.',
      tag,
      scope,
      reads,
      query: z.object({ ...named, cause: words('For these causes', ['stopped', 'expired']), ...paging }),
      answers: listReplies(StopSchema),
      handle: ({ known, query }) => listResponse(crawls(known).stopList(paged(query, ['string'])), known),
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/timers',
      summary: 'List crawls that will expire',
      description: 'Ordered by expiry, the next one first.',
      tag,
      scope,
      reads,
      query: z.object({ ...named, ...paging }),
      answers: listReplies(TimerSchema),
      handle: ({ known, query }) => listResponse(crawls(known).timers(paged(query, ['number', 'string'])), known),
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/domains',
      summary: 'List domains with a throttle of their own or on the blacklist',
      tag,
      scope,
      reads,
      query: z.object(paging),
      answers: listReplies(DomainRuleSchema),
      handle: ({ known, query }) => listResponse(crawls(known).domainRules(paged(query, ['string'])), known),
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/{key}',
      params: keyExample,
      summary: 'Get a crawl',
      tag,
      scope,
      reads,
      answers: resourceReplies(CrawlSchema),
      handle: ({ known, params }) => json(shown(known)(crawlOf(known, params.key))),
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/{key}/pages',
      params: keyExample,
      summary: 'List the pages of a crawl',
      description: 'In the order of queuing. Links that lead to pages already seen are counted in the crawl, not listed.',
      tag,
      scope,
      reads,
      query: z.object({ state: words('In these states', pageStates), reason: anyOf('For these reasons'), ...paging }),
      answers: { ...resourceReplies(PageSchema), ...listReplies(PageSchema) },
      handle: ({ known, params, query }) => {
        const { key } = crawlOf(known, params.key)
        return listResponse(crawls(known).pages({ key, ...paged(query, ['number']) }), known)
      },
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/{key}/items',
      params: keyExample,
      summary: 'List the items of a crawl',
      description: 'Without bodies, in the order of fetching.',
      tag,
      scope,
      reads: ['crawling-pages', 'crawling-items'],
      query: z.object({ from: time('Fetched at or after'), to: time('Fetched before'), order: order('asc'), ...paging }),
      answers: { ...resourceReplies(ItemEntrySchema), ...listReplies(ItemEntrySchema) },
      handle: ({ known, params, query }) => {
        const { spiderid, appid, crawlid } = crawlOf(known, params.key)
        const name = { spiderid: [spiderid], appid: [appid], crawlid: [crawlid] }
        return listResponse(
          itemQueries(known.views('crawling-items')).items({ ...name, ...paged(query, ['string']) }),
          known,
          itemEntry,
        )
      },
    }),
  ]
}
