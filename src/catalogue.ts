import { answer } from './commands/crawling/answer.ts'
import { crawl } from './commands/crawling/crawl.ts'
import { domainRules } from './commands/crawling/domain-rules.ts'
import { feed } from './commands/crawling/feed.ts'
import { forward } from './commands/crawling/forward.ts'
import { page } from './commands/crawling/page.ts'
import { receivedItem } from './commands/crawling/received-item.ts'
import type { Decider } from './commands/decider.ts'
import { lane } from './commands/lane.ts'
import { operation } from './commands/operation.ts'
import { request } from './commands/request.ts'
import { secret } from './commands/secret.ts'
import { answers } from './projections/crawling/answers.ts'
import { crawlingProjections } from './projections/crawling/projections.ts'
import { rejections } from './projections/crawling/rejections.ts'
import { operations } from './projections/operations.ts'
import type { Projection } from './projections/projection.ts'
import { secrets } from './projections/secrets.ts'

/** Every view of the program. */
export const allProjections: readonly Projection[] = [operations, ...crawlingProjections, answers, rejections, secrets]

const pages = ['crawling-pages']
/** What work of each kind reads while it runs. */
const viewsOfKind: Readonly<Record<string, readonly string[]>> = {
  probe: [],
  'crawling.crawl': pages,
  'crawling.info': pages,
  'crawling.stop': pages,
  'crawling.stats': [...pages, 'crawling-counters'],
  'crawling.zookeeper': pages,
}

/** The views that a process builds which does nothing but work of such kinds. */
export const projectionsFor = (matches: (kind: string) => boolean): readonly Projection[] => {
  const needed = new Set(
    Object.entries(viewsOfKind)
      .filter(([kind]) => matches(kind))
      .flatMap(([, views]) => views),
  )
  return allProjections.filter(({ name }) => needed.has(name))
}

/** The part of a decider that folds a history. */
type Fold = Pick<Decider<never, never, unknown, unknown>, 'category' | 'initial'> & {
  evolve(state: unknown, event: unknown): unknown
}

const deciders = [
  operation,
  lane,
  request,
  secret,
  feed,
  answer,
  crawl,
  domainRules,
  page,
  forward,
  receivedItem,
] as unknown as readonly Fold[]

/** The decider in charge of a stream category, for reading the past. */
export const deciderOf = (category: string): Fold | undefined => deciders.find((decider) => decider.category === category)
