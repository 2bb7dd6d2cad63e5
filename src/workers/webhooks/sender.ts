import type { Logger } from 'pino'
import type { Executor } from '../../commands/execute.ts'
import { retryDelayMs } from '../../commands/retry-delay.ts'
import { type WebhookCommand, webhook as webhookRules } from '../../commands/webhook.ts'
import { type Clock, instant, parseInstant } from '../../lib/clock.ts'
import { messageOf, SecretForgotten } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { within } from '../../lib/time-limit.ts'
import { webhookSelection } from '../../projections/webhooks/webhook-selection.ts'
import type { OpenDelivery, WebhookRow } from '../../projections/webhooks/webhooks.ts'
import type { EventLog, RecordedEvent } from '../../stores/event-log.ts'
import { filterOf, selects } from '../../stores/event-selection.ts'
import type { Deliver, Delivered } from './delivery.ts'
import { createLanes, type Lane } from './lanes.ts'
import { createProgress, deliveryActor, TakenOver } from './progress.ts'
import type { RequestBudget } from './request-budget.ts'

/** Delivers the events of one webhook. */
export interface Sender {
  /** Tries a parked event again. */
  redrive(open: OpenDelivery): void
  /** Ends; what is under way may end within a bounded time. */
  stop(): Promise<void>
}

export interface SenderOptions {
  readonly webhook: WebhookRow
  readonly open: readonly OpenDelivery[]
  readonly deliver: Deliver
  /** Whether an event is parked by now. */
  readonly isParked: (id: string) => boolean
  readonly budget: RequestBudget
  readonly log: EventLog
  readonly executor: Executor
  readonly clock: Clock
  readonly logger: Logger
  /** It cannot go on: another node has taken over, or the log does not let it write. Called once at most. */
  readonly onBroken: () => void
}

/** Requests of one webhook at a time; those for events that have failed before take half of them at most. */
const mostRequests = 16
const mostRetries = 8
/** Failures in a row after which an event is parked. */
const mostFailures = 20
const backoff = { initialMs: 1_000, factor: 2, maxMs: 300_000 }
/** Longest time that a receiver can put off the next try. */
const longestRetryAfterMs = 86_400_000
const troublePauseMs = 1_000
const readAtOnce = 16
const stopWithinMs = 5_000
/** Where nothing was delivered: the position is kept after so many events, so that a restart does not read them all again. */
const quietEvents = 5_000
const quietMs = 10_000

export const createSender = (options: SenderOptions): Sender => {
  const { webhook, deliver, isParked, budget, log, executor, clock, logger } = options
  const { name, run } = webhook
  const selection = webhookSelection(webhook.filter)
  const isWanted = selects(selection)
  const lanes = createLanes()
  const reading = new AbortController()
  const requesting = new AbortController()
  const under = new Set<Promise<void>>()
  let reached = webhook.position
  let retrying = 0
  let isStopped = false
  let isBroken = false
  let wakeReader = (): void => {}
  let quiet = { events: 0, since: clock.monotonic() }

  const progress = createProgress({
    ...{ webhook, open: options.open, reached: () => reached, lanes: lanes.all, executor, clock, signal: requesting.signal },
    onTrouble: (reason) => logger.warn({ webhook: name, reason }, 'the progress of a webhook could not be stored; trying again'),
  })

  const broken = (error: unknown): void => {
    if (isBroken || requesting.signal.aborted) return
    isBroken = true
    end()
    if (!(error instanceof TakenOver)) logger.error({ err: error, webhook: name }, 'a webhook stopped delivering')
    options.onBroken()
  }

  const execute = async (command: WebhookCommand, causationId: string | undefined): Promise<void> => {
    const context = { commandId: newId(), correlationId: run, actor: deliveryActor, ...(causationId && { causationId }) }
    await executor.execute(webhookRules, command, context)
  }

  const turns = (): void => {
    while (!isStopped && under.size < mostRequests && budget.take(under.size)) {
      const lane = lanes.next({ retries: retrying < mostRetries })
      if (lane === undefined) {
        budget.release()
        return
      }
      const isRetry = lane.attempts > 0
      if (isRetry) retrying++
      const sending = send(lane)
        .catch(broken)
        .finally(() => {
          if (isRetry) retrying--
          under.delete(sending)
          budget.release()
          wakeReader()
          turns()
        })
      under.add(sending)
    }
  }

  const wait = (lane: Lane, ms: number): void => {
    lane.state = 'waiting'
    lane.cancelWait = clock.after(ms, () => {
      lanes.ready(lane)
      turns()
    })
  }

  const send = async (lane: Lane): Promise<void> => {
    let event: RecordedEvent | undefined
    let outcome: Delivered
    try {
      event = lane.event ?? (await nextOf(lane))
      lane.event = undefined
      if (event === undefined) return await settle(lane, undefined)
      if (lane.redriven === null && isParked(event.id)) return await settle(lane, event)
      outcome = await deliver(webhook, event, requesting.signal)
    } catch (error) {
      if (requesting.signal.aborted) return
      if (error instanceof SecretForgotten) return await pause('its secret was forgotten', event?.id)
      logger.warn({ webhook: name, reason: messageOf(error) }, 'an event could not be read or signed; trying again')
      return wait(lane, troublePauseMs)
    }
    if (outcome.delivered) return await settle(lane, event, true)
    await fail(lane, event, outcome)
  }

  /** The event that the lane delivers next, read from the log; undefined where it has none. */
  const nextOf = async (lane: Lane): Promise<RecordedEvent | undefined> => {
    lane.more = false
    let from = lane.revision
    for (;;) {
      let read = 0
      for await (const event of log.readStream(lane.stream, { from, limit: readAtOnce })) {
        // What lies behind that is given by the log itself.
        if (event.position > reached) return undefined
        if (lane.redriven !== null) return event
        if (isWanted(event)) {
          lane.more = true
          lane.revision = event.revision
          lane.position = event.position
          return event
        }
        from = event.revision + 1
        read++
      }
      if (read < readAtOnce) return undefined
    }
  }

  /** The event needs no delivery any more, or the lane has none: on to what follows it. */
  const settle = async (lane: Lane, event: RecordedEvent | undefined, delivered = false): Promise<void> => {
    lane.attempts = 0
    if (lane.redriven !== null) {
      lanes.remove(lane)
      return execute({ type: 'SettleRedrive', name, run, id: lane.redriven }, lane.redriven)
    }
    if (event !== undefined) lane.revision = event.revision + 1
    if (!lane.more) lanes.remove(lane)
    // The next one of the stream is not sent before this one is on the record: a crash repeats only what was under way.
    await progress.settled({ delivered })
    if (lanes.has(lane.key) && lane.more) lanes.ready(lane)
  }

  const fail = async (lane: Lane, event: RecordedEvent, outcome: Exclude<Delivered, { delivered: true }>): Promise<void> => {
    const { id, stream, revision, position } = event
    const place = { id, stream, revision, position }
    const attempts = lane.attempts + 1
    const { error } = outcome
    if (attempts >= mostFailures && !outcome.gone) {
      await execute({ type: 'ParkEvent', name, run, event: { ...place, attempts, error } }, id)
      if (lane.redriven === null) return settle(lane, event)
      return lanes.remove(lane)
    }
    lane.attempts = attempts
    const asked = outcome.retryAfterMs
    const waitMs =
      asked === undefined ? retryDelayMs(backoff, attempts) : Math.min(Math.max(asked, backoff.initialMs), longestRetryAfterMs)
    // One try more is due in any case, so the wait does not begin anew with the append.
    const due = clock.monotonic() + waitMs
    const retryAt = instant(clock.now() + waitMs)
    await progress.failed({ ...place, attempts, error, retryAt, redriven: lane.redriven !== null })
    if (outcome.gone) return pause(error, id)
    wait(lane, Math.max(0, due - clock.monotonic()))
  }

  const pause = async (because: string, cause: string | undefined): Promise<void> => {
    end()
    await execute({ type: 'PauseWebhook', name, run, because }, cause)
  }

  const room = async (): Promise<void> => {
    while (!lanes.hasRoom() && !reading.signal.aborted) await new Promise<void>((resolve) => (wakeReader = resolve))
  }

  const markIfQuiet = (): void => {
    if (++quiet.events < quietEvents || clock.monotonic() - quiet.since < quietMs) return
    quiet = { events: 0, since: clock.monotonic() }
    progress.mark().catch(broken)
  }

  const read = async (): Promise<void> => {
    while (!reading.signal.aborted) {
      try {
        for await (const item of log.subscribe({ after: reached, signal: reading.signal, ...filterOf(selection) })) {
          if (item.kind !== 'event') {
            if (item.position > reached) reached = item.position
            continue
          }
          const { event } = item
          if (isWanted(event)) {
            await room()
            if (reading.signal.aborted) return
            reached = event.position
            lanes.admit(event)
            turns()
          } else {
            reached = event.position
            if (selection.visible(event)) markIfQuiet()
          }
        }
      } catch (error) {
        if (!reading.signal.aborted)
          logger.warn({ webhook: name, reason: messageOf(error) }, 'a webhook lost the log; trying again')
      }
      await clock.sleep(troublePauseMs, reading.signal).catch(() => undefined)
    }
  }

  const restore = (open: OpenDelivery): void => {
    if (isStopped || lanes.has(open.redriven === null ? open.stream : `redriven ${open.redriven}`)) return
    const lane = lanes.restore(open)
    const { failed } = open
    if (failed === null) lanes.ready(lane)
    else wait(lane, Math.max(0, parseInstant(failed.retryAt) - clock.now()))
    turns()
  }

  const end = (): void => {
    isStopped = true
    reading.abort()
    wakeReader()
    leaveBudget()
    for (const lane of lanes.all()) lane.cancelWait()
  }

  const leaveBudget = budget.onRoom(() => turns())
  for (const open of options.open) restore(open)
  const following = read()

  return {
    redrive: restore,
    stop: async () => {
      end()
      const ended = Promise.all([...under, following]).then(() => undefined)
      await within({ clock, ms: stopWithinMs }, ended).catch(() => requesting.abort())
      await ended
    },
  }
}
