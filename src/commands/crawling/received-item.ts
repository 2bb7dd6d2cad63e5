import type { ReceivedItemEvent } from '../../events/crawling/bridge.ts'
import { type Decider, nothing } from '../decider.ts'

export interface ReceivedItemCommand {
  readonly type: 'KeepItem'
  /** Derived from the message. */
  readonly id: string
  readonly item: ReceivedItemEvent['data']
}

/** An item of a Scrapy Cluster is kept once, however often its message is delivered. */
export const receivedItem: Decider<ReceivedItemCommand, ReceivedItemEvent, { readonly kept: boolean }, never> = {
  category: 'item',
  streamOf: ({ id }) => `item-${id}`,
  creates: () => true,
  initial: { kept: false },
  evolve: () => ({ kept: true }),
  decide: ({ item }, { kept }) => (kept ? nothing : { events: [{ type: 'ItemReceived', data: item }] }),
}
