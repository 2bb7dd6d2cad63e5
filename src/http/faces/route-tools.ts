import type { EventHub } from '../events/event-hub.ts'
import type { Changes } from '../reading/view-changes.ts'
import type { Summaries } from '../replies/event-summary.ts'
import type { Metrics } from '../server/metrics.ts'

/** What the server itself lends to its native routes. */
export interface RouteTools {
  readonly changes: Changes
  readonly hub: EventHub
  readonly metrics: Metrics
  /** The views that say what operations are. */
  readonly operationReads: readonly string[]
  /** What events say in one sentence, the native API's and the faces'. */
  readonly summaries: readonly Summaries[]
  /** Aborts when the server goes down: whatever waits answers then. */
  readonly closing: AbortSignal
}
