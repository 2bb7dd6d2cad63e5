import type { Logger } from 'pino'
import type { Executor } from '../../commands/execute.ts'
import { webhookEvents } from '../../events/webhook.ts'
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Projections } from '../../projections/projection.ts'
import { webhookQueries, webhooks } from '../../projections/webhooks/webhooks.ts'
import type { EventLog, RecordedEvent } from '../../stores/event-log.ts'
import type { Deliver } from './delivery.ts'
import { createRequestBudget } from './request-budget.ts'
import { createSender, type Sender } from './sender.ts'

/** Delivers the events of all webhooks; to be run on one node at a time. */
export interface WebhooksService {
  start(): Promise<void>
  stop(): Promise<void>
}

const mostRequests = 256
const caughtUpWithinMs = 10_000
const againMs = 1_000
/** What the deliveries of a webhook say of themselves changes nothing for its sender. */
const ownTypes = new Set(['WebhookEventParked', 'WebhookEventRedriven'])
const prefix = `${webhookEvents.category}-`

export const createWebhooksService = ({
  log,
  executor,
  projections,
  deliver,
  clock,
  logger,
}: {
  readonly log: EventLog
  readonly executor: Executor
  readonly projections: Projections
  readonly deliver: Deliver
  readonly clock: Clock
  readonly logger: Logger
}): WebhooksService => {
  const budget = createRequestBudget(mostRequests)
  const queries = webhookQueries(projections.views(webhooks.name))
  /** By the stream of the webhook: what delivers now, and the change that is under way. */
  const senders = new Map<string, Sender>()
  const turns = new Map<string, Promise<void>>()
  let ending = new AbortController()
  let detach = (): void => {}

  /** What another node has recorded last is known here. */
  const caughtUp = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      try {
        const head = await log.head()
        if (await projections.reached(head, { names: [webhooks.name], timeoutMs: caughtUpWithinMs })) return
      } catch (error) {
        logger.warn({ reason: messageOf(error) }, 'the webhooks could not be read; trying again')
      }
      await clock.sleep(againMs, signal).catch(() => undefined)
    }
  }

  /** Ends the sender of a webhook and begins another one, as the webhook is now. */
  const renew = async (stream: string, signal: AbortSignal): Promise<void> => {
    await senders.get(stream)?.stop()
    senders.delete(stream)
    if (signal.aborted) return
    // The last words of the sender before.
    await caughtUp(signal)
    const webhook = queries.byStream(stream)
    if (signal.aborted || webhook === undefined || webhook.pausedBecause !== null) return
    const sender = createSender({
      ...{ webhook, open: queries.open(webhook), deliver, budget, log, executor, clock, logger },
      isParked: (id) => queries.isParked(webhook.name, id),
      onBroken: () => {
        clock
          .sleep(againMs, signal)
          .then(() => inTurn(stream, signal))
          .catch(() => undefined)
      },
    })
    senders.set(stream, sender)
  }

  const inTurn = (stream: string, signal: AbortSignal): Promise<void> => {
    const turn = (turns.get(stream) ?? Promise.resolve())
      .then(() => renew(stream, signal))
      .catch((error: unknown) => logger.error({ err: error, stream }, 'a webhook could not be begun'))
    turns.set(stream, turn)
    return turn
  }

  const redrive = (stream: string, id: string): void => {
    const webhook = queries.byStream(stream)
    const open = webhook && queries.open(webhook).find(({ redriven }) => redriven === id)
    if (open !== undefined) senders.get(stream)?.redrive(open)
  }

  const changed = (events: readonly RecordedEvent[], signal: AbortSignal): void => {
    const changes = events.filter(({ stream, type }) => stream.startsWith(prefix) && !ownTypes.has(type))
    for (const { stream, type, data } of changes) if (type === 'WebhookRedriveRequested') redrive(stream, String(data.id))
    const renewed = changes.filter(({ type }) => type !== 'WebhookRedriveRequested')
    for (const stream of new Set(renewed.map(({ stream }) => stream))) void inTurn(stream, signal)
  }

  return {
    start: async () => {
      const { signal } = ending
      await caughtUp(signal)
      if (signal.aborted) return
      detach = projections.onApplied((events) => changed(events, signal))
      for (const stream of queries.activeStreams()) void inTurn(stream, signal)
    },
    stop: async () => {
      ending.abort()
      detach()
      await Promise.all(turns.values())
      await Promise.all([...senders.values()].map((sender) => sender.stop()))
      senders.clear()
      turns.clear()
      ending = new AbortController()
    },
  }
}
