import type { Known } from '../../projections/known.ts'
import { webhookSelection } from '../../projections/webhooks/webhook-selection.ts'
import type { OpenDelivery, WebhookRow } from '../../projections/webhooks/webhooks.ts'
import { type EventLog, origin, type Position, type RecordedEvent } from '../../stores/event-log.ts'
import { selects } from '../../stores/event-selection.ts'

export interface Delivering {
  readonly webhook: WebhookRow
  readonly open: readonly OpenDelivery[]
}

/** So many of the newest events are looked at: what lies further back does not count. */
const mostLookedAt = 10_000

/**
 * How many events each webhook has still to deliver, as the log was at `upTo`. One look through the newest events serves all.
 */
export const lags = async (
  log: EventLog,
  { asOf }: Pick<Known, 'asOf'>,
  upTo: Position,
  all: readonly Delivering[],
): Promise<readonly number[]> => {
  const counters = all.map(({ webhook, open }) => {
    const behind = new Map(open.filter(({ redriven }) => redriven === null).map(({ stream, revision }) => [stream, revision]))
    return { webhook, behind, wanted: selects(webhookSelection(webhook.filter)), count: 0 }
  })
  const earliest = (positions: readonly Position[]): Position => [upTo, ...positions].toSorted()[0] ?? upTo
  const settledUpTo = earliest(all.map(({ webhook }) => webhook.position))
  const openFrom = earliest(all.flatMap(({ open }) => open.map(({ position }) => position)))
  let left = mostLookedAt
  for await (const event of backwards(log, asOf, upTo)) {
    if ((event.position <= settledUpTo && event.position < openFrom) || left-- === 0) break
    for (const counter of counters) {
      const from = counter.behind.get(event.stream)
      const isOpen = event.position > counter.webhook.position || (from !== undefined && event.revision >= from)
      if (isOpen && counter.wanted(event)) counter.count++
    }
  }
  return counters.map(({ count }) => count)
}

/** The events up to a position, the newest first. */
async function* backwards(log: EventLog, asOf: Position | null, upTo: Position): AsyncGenerator<RecordedEvent> {
  if (asOf === null) {
    for await (const event of log.readAll({ backwards: true })) if (event.position <= upTo) yield event
    return
  }
  // A read backwards begins before its position.
  let before: RecordedEvent | undefined
  for await (const event of log.readAll({ backwards: true, after: asOf, limit: 1 })) before = event
  for await (const event of log.readAll({ after: before?.position ?? origin, limit: 1 })) if (event.position <= asOf) yield event
  yield* log.readAll({ backwards: true, after: asOf })
}
