import type { ForwardEvent } from '../../events/crawling/bridge.ts'
import type { FeedClass } from '../../events/crawling/feed.ts'
import type { JsonValue } from '../../lib/json.ts'
import { type Decider, nothing } from '../decider.ts'
import { keptPayload } from './feed.ts'

export type ForwardCommand = { readonly id: string } & (
  | {
      readonly type: 'ReceiveFeed'
      readonly payload: JsonValue
      readonly class: FeedClass | null
      readonly awaitsAnswer: boolean
    }
  | { readonly type: 'ConfirmForward'; readonly topic: string }
  | { readonly type: 'GiveUpForward'; readonly topic: string; readonly reason: string }
)
export type ForwardState = 'new' | 'received' | 'forwarded'

/** A feed on its way to a Scrapy Cluster: received first, then forwarded or not. A repetition is forwarded once. */
export const forward: Decider<ForwardCommand, ForwardEvent, ForwardState, never> = {
  category: 'forward',
  streamOf: ({ id }) => `forward-${id}`,
  initial: 'new',
  evolve: (state, event) => (state === 'forwarded' || event.type === 'FeedForwarded' ? 'forwarded' : 'received'),
  decide: (command, state) => {
    switch (command.type) {
      case 'ReceiveFeed': {
        if (state !== 'new') return nothing
        const { payload, awaitsAnswer } = command
        const data = { ...keptPayload(payload), class: command.class, awaitsAnswer }
        return { events: [{ type: 'FeedReceived', data }] }
      }
      case 'ConfirmForward':
        return state === 'forwarded' ? nothing : { events: [{ type: 'FeedForwarded', data: { topic: command.topic } }] }
      case 'GiveUpForward':
        if (state === 'forwarded') return nothing
        return { events: [{ type: 'FeedNotForwarded', data: { topic: command.topic, reason: command.reason } }] }
    }
  },
}
