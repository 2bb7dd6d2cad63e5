import type { FeedClass } from '../../events/crawling/feed.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import type { CommandContext } from '../execute.ts'

/** A feed to pass on. */
export interface Forwarding {
  readonly payload: JsonValue
  /** As it came. */
  readonly bytes: Uint8Array
  readonly class: FeedClass | null
  readonly awaitsAnswer: boolean
}

export interface BridgeAnswer {
  readonly answer: JsonObject
  /** Names it where it is recorded; null where it was too large for that. */
  readonly id: string | null
}

/** A place in the row of those who wait for an answer of one uuid. */
export interface Asking {
  /** Undefined where time ran out or `signal` aborted. */
  answer(options: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<BridgeAnswer | undefined>
  /** Always to be called in the end. */
  leave(): void
}

/** The Scrapy Cluster behind this server. Source: crawling contract, section 8. */
export interface Bridge {
  /** Whether the brokers answer and its answers are heard. */
  connected(): boolean
  /** Resolves when answers are heard, or after a while where no broker answers: it goes on trying. */
  start(): Promise<void>
  stop(): Promise<void>
  /** To be called before `forward`, because an answer may come before that returns. */
  ask(uuid: JsonValue): Asking
  /** Records a feed and passes it on, once per command. Rejects with `Unavailable` if the brokers did not confirm it. */
  forward(forwarding: Forwarding, context: CommandContext): Promise<void>
  /** Whether a request on this node waits for the answer. */
  isAwaited(id: string): boolean
}
