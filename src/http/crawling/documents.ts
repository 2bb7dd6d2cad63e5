import { z } from 'zod'
import { ActionRequest, CrawlRequest, StatsRequest, ZookeeperRequest } from '../../commands/crawling/requests.ts'
import type { DocumentedRoute } from '../route.ts'
import { messages } from './messages.ts'

const tag = 'Crawling (Scrapy Cluster)'

const wrapper = (data: z.ZodType) =>
  z.object({ status: z.literal('SUCCESS'), data, error: z.null() }).meta({ title: 'The wrapper around what was asked for' })
const FailureWrapper = z
  .object({
    status: z.literal('FAILURE'),
    data: z.null(),
    error: z.object({ message: z.string(), cause: z.string().optional() }),
  })
  .meta({ id: 'CrawlingFailure' })
const failures = (statuses: Readonly<Record<number, string>>) =>
  Object.fromEntries(Object.entries(statuses).map(([status, description]) => [status, { description, schema: FailureWrapper }]))

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
const PollRequest = z.strictObject({ poll_id: z.string().meta({ minLength: 1, maxLength: 100 }) })

/** The face's own routes for the OpenAPI document. Source: crawling contract, section 1. */
export const crawlingDocuments: readonly DocumentedRoute[] = [
  {
    method: 'get',
    path: '/',
    summary: 'How this node is',
    tag,
    answers: { 200: { description: 'Always, whatever the health', schema: Index } },
  },
  {
    method: 'post',
    path: '/feed',
    summary: 'Feed a request: a crawl, an action, stats or a domain rule',
    description:
      'A request with a `uuid` is answered with its answer or, where none came in time, with a `poll_id`. What is no request at all is recorded and answered 200 too (unless the server is strict); the headers Feed-Class and Feed-Error tell.',
    tag,
    body: z.union([CrawlRequest, ActionRequest, StatsRequest, ZookeeperRequest]),
    answers: {
      200: { description: 'Taken', schema: wrapper(z.union([z.null(), z.object({ poll_id: z.string() }), Answer])) },
      ...failures({ 400: messages.notJson, 413: 'The body is too large', 500: `${messages.noKafka}, or: ${messages.unknown}` }),
    },
  },
  {
    method: 'post',
    path: '/poll',
    summary: 'Take an answer that came too late for its feed',
    description: 'Each answer is given once.',
    tag,
    body: PollRequest,
    answers: {
      200: { description: 'The answer', schema: wrapper(Answer) },
      ...failures({ 400: `${messages.notJson} ${messages.notInSchema}`, 404: messages.noPollId, 500: messages.noRedis }),
    },
  },
]
