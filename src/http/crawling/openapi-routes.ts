import { z } from 'zod'
import { ActionRequest, CrawlRequest, StatsRequest, ZookeeperRequest } from '../../commands/crawling/requests.ts'
import type { DocumentedRoute } from '../faces/native-route.ts'
import { problems } from '../v1/schemas.ts'
import { messages } from './messages.ts'

const tag = 'Crawling (Scrapy Cluster)'

/** The feeds of the README; the crawl is of the example site. */
const examples = {
  'A crawl of the example site': {
    url: 'http://127.0.0.1:8000/',
    appid: 'demo',
    crawlid: 'docs',
    maxdepth: 1,
    allowed_domains: ['127.0.0.1'],
  },
  'The state of a crawl': { action: 'info', appid: 'demo', crawlid: 'docs', spiderid: 'link', uuid: 'docs-info' },
  'Its end': { action: 'stop', appid: 'demo', crawlid: 'docs', spiderid: 'link', uuid: 'docs-stop' },
  'A hundred fetches a second for one domain': {
    action: 'domain-update',
    domain: '127.0.0.1',
    hits: 100,
    window: 1,
    appid: 'demo',
    uuid: 'docs-domain',
  },
  Statistics: { stats: 'spider', appid: 'demo', uuid: 'docs-stats' },
}

const wrapper = (data: z.ZodType) => z.object({ status: z.literal('SUCCESS'), data, error: z.null() })
const FailureWrapper = z
  .object({
    status: z.literal('FAILURE'),
    data: z.null(),
    error: z.object({ message: z.string(), cause: z.string().optional() }),
  })
  .meta({ id: 'CrawlingFailure' })
const failures = (statuses: Readonly<Record<number, string>>) =>
  Object.fromEntries(Object.entries(statuses).map(([status, description]) => [status, { description, schema: FailureWrapper }]))

/** What any of these routes may answer, beside its own. */
const usualFailures = (scope: string) => ({
  ...failures({
    401: messages.unauthenticated,
    403: `The scope ${scope} is missing, or a foreign page asked`,
    421: 'The server without credentials was reached under a name that is not its own',
    503: 'The server starts or goes down',
  }),
  ...problems({ 431: 'The headers are too large' }),
})
const usualWriteFailures = failures({
  408: 'The body took too long to arrive',
  409: 'The same Idempotency-Key is being processed right now',
  413: messages.tooLarge,
  422: 'The Idempotency-Key was used for a different request',
})

const Index = z
  .object({
    kafka_connected: z.boolean(),
    redis_connected: z.boolean(),
    node_health: z.enum(['GREEN', 'YELLOW', 'RED']),
    my_id: z.string(),
    uptime_sec: z.number().int(),
  })
  .meta({ id: 'CrawlingIndex' })

const Answer = z.record(z.string(), z.json())
const PollRequest = z.strictObject({ poll_id: z.string().meta({ minLength: 1, maxLength: 100 }) }).meta({ id: 'PollRequest' })
const FeedRequest = z
  .union([
    CrawlRequest.meta({ id: 'CrawlRequest' }),
    ActionRequest.meta({ id: 'ActionRequest' }),
    StatsRequest.meta({ id: 'StatsRequest' }),
    ZookeeperRequest.meta({ id: 'ZookeeperRequest' }),
  ])
  .meta({ id: 'FeedRequest' })
const Fed = wrapper(z.union([z.null(), z.object({ poll_id: z.string() }), Answer])).meta({ id: 'CrawlingFed' })
const Polled = wrapper(Answer).meta({ id: 'CrawlingAnswer' })

const index = {
  path: '/',
  summary: 'Node status',
  tag,
  answers: {
    ...usualFailures('crawling:read'),
    ...failures({ 400: 'A header is malformed' }),
    200: { description: 'Always 200, also when unhealthy', schema: Index },
  },
} as const
const usualHeaders = {
  'Idempotency-Key': '1 to 255 visible characters; the same request with the same key is answered once and again',
}

/** The face's own routes for the OpenAPI document. Source: crawling contract, section 1. */
export const crawlingDocuments: readonly DocumentedRoute[] = [
  { ...index, method: 'get' },
  {
    ...index,
    method: 'post',
    description: 'Same as GET; a body is ignored.',
    headers: usualHeaders,
    answers: { ...index.answers, ...usualWriteFailures },
  },
  {
    method: 'post',
    path: '/feed',
    summary: 'Feed a request: a crawl, an action, stats or a domain rule',
    description:
      'A request with a `uuid` is answered with its result or, if it takes too long, with a `poll_id`. A body that is not a request is recorded and answered 200 too (unless the server is strict); the headers Feed-Class and Feed-Error tell.',
    tag,
    headers: usualHeaders,
    body: FeedRequest,
    examples,
    answers: {
      ...usualFailures('crawling:write'),
      ...usualWriteFailures,
      200: { description: 'Accepted', schema: Fed, example: { status: 'SUCCESS', data: null, error: null } },
      ...failures({ 400: messages.notJson, 500: `${messages.noKafka}, or: ${messages.unknown}` }),
    },
  },
  {
    method: 'post',
    path: '/poll',
    summary: 'Take an answer that was not ready in time',
    description: 'Each answer is returned once.',
    tag,
    headers: usualHeaders,
    body: PollRequest,
    examples: { 'The poll_id of an answer to /feed': { poll_id: '01a1feb0-1fd7-73b1-a108-4b257b40f450' } },
    answers: {
      ...usualFailures('crawling:write'),
      ...usualWriteFailures,
      200: { description: 'The answer', schema: Polled },
      ...failures({ 400: `${messages.notJson} ${messages.notInSchema}`, 404: messages.noPollId, 500: messages.noRedis }),
    },
  },
]
