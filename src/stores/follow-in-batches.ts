import type { Logger } from 'pino'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { nextTurn } from '../lib/time-slice.ts'
import type { EventLog, Feed, Filter, Position } from './event-log.ts'

const mostWaiting = 4096
const resubscribeMs = 1000

/**
 * Follows the log and hands out what came in meanwhile as one batch, so that a busy log costs one transaction for many
 * events and a quiet one is applied at once. Never holds more than a few thousand items: the log waits then.
 * The iterable ends when `signal` aborts.
 */
export async function* followInBatches({
  log,
  after,
  filter,
  signal,
  clock,
  logger,
}: {
  readonly log: EventLog
  readonly after: Position
  readonly filter: Filter | undefined
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly logger: Logger
}): AsyncGenerator<readonly Feed[]> {
  let items: Feed[] = []
  let wakeReader = () => {}
  let wakeWriter = () => {}

  const follow = async (): Promise<void> => {
    let reached = after
    while (!signal.aborted) {
      try {
        for await (const item of log.subscribe({ after: reached, signal, ...(filter === undefined ? {} : { filter }) })) {
          reached = item.kind === 'event' ? item.event.position : item.position
          if (items.push(item) === 1) wakeReader()
          if (items.length >= mostWaiting && !signal.aborted) await new Promise<void>((resolve) => (wakeWriter = resolve))
        }
      } catch (error) {
        if (!signal.aborted) logger.error({ reason: messageOf(error) }, 'the subscription to the log failed; subscribing again')
      }
      if (!signal.aborted) await clock.sleep(resubscribeMs, signal).catch(() => {})
    }
  }

  const stop = () => {
    wakeReader()
    wakeWriter()
  }
  signal.addEventListener('abort', stop, { once: true })
  const following = follow()
  try {
    while (!signal.aborted) {
      if (items.length === 0) await new Promise<void>((resolve) => (wakeReader = resolve))
      // What one commit brings arrives within one turn.
      await nextTurn()
      if (signal.aborted) return
      const batch = items
      items = []
      wakeWriter()
      if (batch.length > 0) yield batch
    }
  } finally {
    signal.removeEventListener('abort', stop)
    wakeWriter()
    await following
  }
}
