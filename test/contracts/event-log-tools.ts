import type { Metadata } from '../../src/events/define.ts'
import { newId } from '../../src/lib/ids.ts'
import type { JsonObject } from '../../src/lib/json.ts'
import type { EventLog, Feed, NewEvent, RecordedEvent, SubscribeOptions } from '../../src/stores/event-log.ts'

export const metadata: Metadata = {
  correlationId: 'c-1',
  actor: { principal: 'anonymous', face: null, address: '127.0.0.1' },
  schema: 1,
}

export const event = (type = 'ThingHappened', data: JsonObject = {}): NewEvent => ({ id: newId(), type, data, metadata })

export const events = (count: number, type?: string): NewEvent[] => Array.from({ length: count }, (_, n) => event(type, { n }))

export const all = async <Item>(items: AsyncIterable<Item>): Promise<Item[]> => {
  const collected: Item[] = []
  for await (const item of items) collected.push(item)
  return collected
}

/** `stream@revision` of each event: enough to see order, holes and doubles. */
export const places = (recorded: readonly RecordedEvent[]): string[] =>
  recorded.map(({ stream, revision }) => `${stream}@${revision}`)

/** Everything that a subscription gives until `enough` says so. */
export const followed = async (
  log: EventLog,
  options: Omit<SubscribeOptions, 'signal'>,
  enough: (feeds: readonly Feed[]) => boolean,
): Promise<Feed[]> => {
  const stop = new AbortController()
  const feeds: Feed[] = []
  for await (const feed of log.subscribe({ ...options, signal: stop.signal })) {
    feeds.push(feed)
    if (enough(feeds)) stop.abort()
  }
  return feeds
}

export const eventsOf = (feeds: readonly Feed[]): RecordedEvent[] =>
  feeds.flatMap((feed) => (feed.kind === 'event' ? [feed.event] : []))

export const isLive = (feeds: readonly Feed[]): boolean => feeds.at(-1)?.kind === 'live'
