import { z } from 'zod'
import { domainKeyOf } from '../../events/crawling/domain-key.ts'
import { splitUserinfo } from '../../events/crawling/userinfo.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { anyJsonObject } from '../../lib/json-schemas.ts'

/** Text whose length counts in code points, as the original counts it, not in UTF-16 units. */
const text = (least: number, most: number) =>
  z
    .string()
    .refine((value) => codePoints(value) >= least, `has fewer than ${least} characters`)
    .refine((value) => codePoints(value) <= most, `has more than ${most} characters`)
    .meta({ minLength: least, maxLength: most })

const codePoints = (value: string): number => {
  let count = 0
  for (const _ of value) count++
  return count
}

const distinctTexts = z
  .array(z.string())
  .refine((values) => new Set(values).size === values.length, 'has equal items')
  .meta({ uniqueItems: true })

const appid = text(3, 40)
const uuid = text(1, 40)
const crawlid = text(1, 40)

/** What may be fed as a crawl. An explicit null is refused, as every schema of this contract refuses it. */
const crawlShape = (maxDepth: number) => ({
  appid,
  crawlid,
  url: z.string(),
  spiderid: z.string().default('link'),
  priority: z.int().min(1).max(100).default(1),
  maxdepth: z.int().min(0).max(maxDepth).default(0),
  domain_max_pages: z.int().min(0).max(2000).optional(),
  allowed_domains: distinctTexts.optional(),
  allow_regex: distinctTexts.optional(),
  deny_regex: distinctTexts.optional(),
  deny_extensions: distinctTexts.optional(),
  expires: z.int().default(0),
  useragent: text(3, 1000).optional(),
  cookie: text(3, 1000).meta({ minLength: 3, maxLength: 1000, secret: true }).optional(),
  attrs: anyJsonObject.optional(),
})

/** The schema of a fed crawl where `maxdepth` may go up to `maxDepth`. Source: crawling contract, section 4.2. */
export const crawlRequest = (maxDepth: number) => z.strictObject(crawlShape(maxDepth))
export const CrawlRequest = crawlRequest(3)
export type CrawlRequest = z.infer<typeof CrawlRequest>

export const ActionRequest = z.strictObject({
  uuid,
  appid,
  crawlid: crawlid.optional(),
  spiderid: z.string(),
  action: z.enum(['stop', 'info']),
})
export type ActionRequest = z.infer<typeof ActionRequest>

export const statsKinds = ['kafka-monitor', 'redis-monitor', 'crawler', 'spider', 'machine', 'queue', 'rest', 'all'] as const
export const StatsRequest = z.strictObject({ uuid, appid, stats: z.enum(statsKinds).default('all') })
export type StatsRequest = z.infer<typeof StatsRequest>

export const zookeeperActions = ['domain-update', 'domain-remove', 'blacklist-update', 'blacklist-remove'] as const
export const ZookeeperRequest = z.strictObject({
  uuid,
  appid,
  domain: z.string(),
  action: z.enum(zookeeperActions),
  hits: z.int().default(0),
  window: z.int().default(0),
  scale: z.number().min(0).max(1).default(1),
})
export type ZookeeperRequest = z.infer<typeof ZookeeperRequest>

/**
 * Input of `crawling.crawl`: a fed crawl, completed with the time of its acceptance (`ts`, seconds since the epoch) and the
 * key of its domain, so that views need neither a clock nor a suffix list. Parsing what was parsed changes nothing.
 */
export const crawlInput = ({ now, maxDepth }: { readonly now: () => number; readonly maxDepth: number }) =>
  z
    .strictObject({
      ...crawlShape(maxDepth),
      /** What stood before the host in the fed URL: `user:password`. */
      userinfo: z.string().meta({ secret: true }).optional(),
      ts: z.number().optional(),
      domain: z.string().optional(),
    })
    .transform((request) => ({ ...request, ts: request.ts ?? now() / 1000, domain: request.domain ?? domainKeyOf(request.url) }))
/**
 * A valid crawl as it is recorded. Who feeds it has no say in time and domain: a wrong domain would have a throttle of its own. User and
 * password stand apart from the URL, because they are sealed and the URL is not.
 */
export const completeCrawl = (input: JsonValue, now: number): JsonValue => {
  const crawl = input as JsonObject & { readonly url: string }
  const { url, userinfo } = splitUserinfo(crawl.url)
  return { ...crawl, url, ...(userinfo === '' ? {} : { userinfo }), ts: now / 1000, domain: domainKeyOf(url) }
}
export type CrawlInput = z.infer<ReturnType<typeof crawlInput>>

/** Whether a request of this class can have an answer at all; clients of the others poll in vain. Section 4.3. */
export const isAnswerable = (request: ActionRequest | StatsRequest | ZookeeperRequest): boolean => {
  if (!('action' in request)) return true
  if (request.action === 'stop') return request.crawlid !== undefined
  if (request.action === 'domain-update') return request.hits !== 0 && request.window !== 0
  return true
}
