import { z } from 'zod'
import type { CrawlingSettings } from '../../commands/crawling/settings.ts'
import { feedClasses } from '../../events/crawling/feed.ts'
import { answerQueries, answerStates } from '../../projections/crawling/answers.ts'
import { crawlQueries } from '../../projections/crawling/crawl-queries.ts'
import type { CrawlRow } from '../../projections/crawling/crawl-rows.ts'
import { itemQueries } from '../../projections/crawling/items.ts'
import { rejectionQueries } from '../../projections/crawling/rejections.ts'
import { createCrawlHolds } from '../../workers/crawling/holds.ts'
import { json } from '../json.ts'
import type { HttpPorts } from '../ports.ts'
import { Problem } from '../problem.ts'
import { anyOf, cursor, limit, order, time } from '../query.ts'
import { type NativeRoute, nativeRoute } from '../route.ts'
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
import { listAnswers, listResponse, paged, resourceAnswers } from './list.ts'

const tag = 'Crawls'
const scope = 'v1:read'
/** The crawl of the README. */
const keyExample = { key: 'e04ffba14e5c65543931f6b5834777f6' }
const paging = { limit: limit(), cursor }
const named = { spiderid: anyOf('Of these spiders'), appid: anyOf('Of these applications'), crawlid: anyOf('Of these crawls') }
const words = <Word extends string>(description: string, known: readonly Word[]) =>
  z.array(z.enum(known)).max(100).optional().meta({ description, repeatable: true })

/** The crawls of an application in detail: what its own face has no words for. Source: crawling contract, section 14. */
export const crawlRoutes = ({
  ports: { projections, clock },
  settings,
}: {
  readonly ports: Pick<HttpPorts, 'projections' | 'clock'>
  readonly settings: CrawlingSettings
}): readonly NativeRoute[] => {
  const crawls = () => crawlQueries(projections.views('crawling-pages'))
  const items = () => itemQueries(projections.views('crawling-items'))
  const crawlOf = (key: string | undefined) => {
    const crawl = crawls().crawl(key ?? '')
    if (crawl === undefined) throw new Problem('not-found', `there is no crawl ${key}`)
    return crawl
  }
  const holds = createCrawlHolds({ views: projections.views('crawling-pages'), settings, clock })
  const shown = (crawl: CrawlRow) => {
    const hold = crawl.queued > 0 && crawl.fetching === 0 ? holds.ofCrawl(crawl) : undefined
    return { ...crawl, waitingFor: hold === undefined ? null : { ...hold, since: crawl.lastActivityAt } }
  }
  return [
    nativeRoute({
      method: 'get',
      path: '/v1/crawls',
      summary: 'List crawls',
      description: 'The newest first.',
      tag,
      scope,
      query: z.object({ ...named, state: words('In these states', crawlStates), ...paging }),
      answers: listAnswers(CrawlSchema),
      handle: ({ query }) => listResponse(crawls().crawls(paged(query, ['string'])), shown),
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/rejections',
      summary: 'List what was fed and not recognised',
      description: 'With the reasons why it is not of the class that it resembles most. The newest first.',
      tag,
      scope,
      query: z.object({
        uuid: anyOf('With these uuids'),
        appid: named.appid,
        nearestClass: words('Resembling these classes', feedClasses),
        ...paging,
      }),
      answers: listAnswers(RejectionSchema),
      handle: ({ query }) =>
        listResponse(rejectionQueries(projections.views('crawling-rejections')).list(paged(query, ['number']))),
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/pending-answers',
      summary: 'List requests that carried a uuid and what became of their answers',
      description: 'Looking at an answer here does not take it. The newest first.',
      tag,
      scope,
      query: z.object({
        uuid: anyOf('With these uuids'),
        appid: named.appid,
        state: words('In these states', answerStates),
        ...paging,
      }),
      answers: listAnswers(AnswerSchema),
      handle: ({ query }) => listResponse(answerQueries(projections.views('crawling-answers')).list(paged(query, ['number']))),
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/stop-list',
      summary: 'List crawls that were stopped or have expired',
      description: 'They follow no more links, for ever. The newest first.',
      tag,
      scope,
      query: z.object({ ...named, cause: words('For these causes', ['stopped', 'expired']), ...paging }),
      answers: listAnswers(StopSchema),
      handle: ({ query }) => listResponse(crawls().stopList(paged(query, ['string']))),
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/timers',
      summary: 'List crawls that will expire',
      description: 'The next to expire first.',
      tag,
      scope,
      query: z.object({ ...named, ...paging }),
      answers: listAnswers(TimerSchema),
      handle: ({ query }) => listResponse(crawls().timers(paged(query, ['number', 'string']))),
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/domains',
      summary: 'List domains with a throttle of their own or on the blacklist',
      tag,
      scope,
      query: z.object(paging),
      answers: listAnswers(DomainRuleSchema),
      handle: ({ query }) => listResponse(crawls().domainRules(paged(query, ['string']))),
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/{key}',
      params: keyExample,
      summary: 'Get a crawl',
      tag,
      scope,
      answers: resourceAnswers(CrawlSchema),
      handle: ({ params }) => json(shown(crawlOf(params.key))),
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/{key}/pages',
      params: keyExample,
      summary: 'List the pages of a crawl',
      description: 'In the order of their queuing. Links that lead to pages already seen are counted in the crawl, not listed.',
      tag,
      scope,
      query: z.object({ state: words('In these states', pageStates), reason: anyOf('For these reasons'), ...paging }),
      answers: { ...resourceAnswers(PageSchema), ...listAnswers(PageSchema) },
      handle: ({ params, query }) => {
        const { key } = crawlOf(params.key)
        return listResponse(crawls().pages({ key, ...paged(query, ['number']) }))
      },
    }),
    nativeRoute({
      method: 'get',
      path: '/v1/crawls/{key}/items',
      params: keyExample,
      summary: 'List the items of a crawl',
      description: 'Without their bodies; in the order of their fetching.',
      tag,
      scope,
      query: z.object({ from: time('Fetched at or after'), to: time('Fetched before'), order: order('asc'), ...paging }),
      answers: { ...resourceAnswers(ItemEntrySchema), ...listAnswers(ItemEntrySchema) },
      handle: ({ params, query }) => {
        const { spiderid, appid, crawlid } = crawlOf(params.key)
        const name = { spiderid: [spiderid], appid: [appid], crawlid: [crawlid] }
        return listResponse(items().items({ ...name, ...paged(query, ['string']) }), itemEntry)
      },
    }),
  ]
}
