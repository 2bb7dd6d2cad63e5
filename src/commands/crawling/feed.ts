import type { z } from 'zod'
import { type FeedClass, type FeedError, type FeedEvent, feedClasses } from '../../events/crawling/feed.ts'
import { isObject, type JsonValue } from '../../lib/json.ts'
import type { Decider } from '../decider.ts'
import { withoutCrawlSecrets } from './crawl-secrets.ts'
import {
  ActionRequest,
  type CrawlRequest,
  crawlRequest,
  isAnswerable,
  StatsRequest,
  ZookeeperRequest,
  zookeeperActions,
} from './requests.ts'
import { schemaErrors } from './schema-errors.ts'

/** What a payload is. `answerable` tells whether an answer can ever come for its `uuid`. */
export type Classified =
  | { readonly class: 'crawl'; readonly request: CrawlRequest; readonly answerable: false }
  | {
      readonly class: 'action' | 'stats' | 'zookeeper'
      readonly request: ActionRequest | StatsRequest | ZookeeperRequest
      readonly answerable: boolean
    }
  | Unrecognised
export interface Unrecognised {
  readonly class: 'unrecognised'
  readonly nearestClass: FeedClass | null
  /** Why it is not of the nearest class; never empty. */
  readonly errors: readonly [FeedError, ...FeedError[]]
}

/**
 * Finds out which of the four requests a payload is: the first class whose schema takes it. No payload fits two, because none of
 * the schemas takes additional members. `maxDepth` is the largest `maxdepth` of a crawl. Source: crawling contract, section 4.
 */
export const createClassifier = ({ maxDepth }: { readonly maxDepth: number }): ((payload: JsonValue) => Classified) => {
  const crawlSchema = crawlRequest(maxDepth)
  const schemas: Readonly<Record<FeedClass, z.ZodType>> = {
    crawl: crawlSchema,
    action: ActionRequest,
    stats: StatsRequest,
    zookeeper: ZookeeperRequest,
  }
  return (payload) => {
    if (!isObject(payload)) return { class: 'unrecognised', nearestClass: null, errors: schemaErrors(crawlSchema, payload) }
    // A crawl has a `url`, and nothing else has; a schema that refuses costs ten times what one costs that takes.
    if (Object.hasOwn(payload, 'url')) {
      const crawl = crawlSchema.safeParse(payload)
      if (crawl.success) return { class: 'crawl', request: crawl.data, answerable: false }
    } else {
      for (const [name, schema] of askingSchemas) {
        const parsed = schema.safeParse(payload)
        if (parsed.success) return { class: name, request: parsed.data, answerable: isAnswerable(parsed.data) }
      }
    }
    const nearestClass = nearest(payload) ?? fewestErrors(payload, schemas)
    return { class: 'unrecognised', nearestClass, errors: schemaErrors(schemas[nearestClass], payload as JsonValue) }
  }
}

const askingSchemas = [
  ['action', ActionRequest],
  ['stats', StatsRequest],
  ['zookeeper', ZookeeperRequest],
] as const

/** The class that the payload's telling members point to. */
function nearest(payload: Readonly<Record<string, unknown>>): FeedClass | undefined {
  const { action } = payload
  if (zookeeperActions.some((known) => known === action)) return 'zookeeper'
  if (action === 'stop' || action === 'info') return 'action'
  return Object.hasOwn(payload, 'url') || !Object.hasOwn(payload, 'uuid') ? 'crawl' : undefined
}

function fewestErrors(payload: Readonly<Record<string, unknown>>, schemas: Readonly<Record<FeedClass, z.ZodType>>): FeedClass {
  const counts = feedClasses.map((name) => ({ name, count: schemaErrors(schemas[name], payload as JsonValue).length }))
  return counts.reduce((least, next) => (next.count < least.count ? next : least)).name
}

export interface FeedCommand {
  readonly type: 'RejectFeed'
  readonly id: string
  readonly payload: JsonValue
  readonly nearestClass: FeedClass | null
  readonly errors: readonly FeedError[]
}

/** UTF-16 units of JSON text. Events have a largest size, and an oversized invalid payload must not fail. */
const longestPayload = 100_000
const mostErrors = 100

/** Records a feed that matches no schema, with the reasons, so that its sender can find out why nothing happens. */
export const feed: Decider<FeedCommand, FeedEvent, { readonly rejected: boolean }, never> = {
  category: 'feed',
  streamOf: ({ id }) => `feed-${id}`,
  creates: () => true,
  initial: { rejected: false },
  evolve: () => ({ rejected: true }),
  decide: ({ payload, nearestClass, errors }, { rejected }) => {
    if (rejected) return { events: [] }
    const data = { ...keptPayload(payload), nearestClass, errors: errors.slice(0, mostErrors) }
    return { events: [{ type: 'FeedRejected', data }] }
  },
}

/** A payload as an event keeps it: whole, or the beginning of its JSON text, and without secrets. */
export const keptPayload = (payload: JsonValue): { readonly payload: never; readonly truncated?: true } => {
  const kept = withoutCrawlSecrets(payload)
  const text = JSON.stringify(kept)
  return text.length > longestPayload
    ? { payload: text.slice(0, longestPayload) as never, truncated: true }
    : { payload: kept as never }
}
