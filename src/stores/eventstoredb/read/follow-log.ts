import type { Clock } from '../../../lib/clock.ts'
import { Unavailable } from '../../../lib/errors.ts'
import { matches } from '../../event-filter.ts'
import { type Feed, origin, type Position, type RecordedEvent, type SubscribeOptions } from '../../event-log.ts'
import { earlier, fromPosition } from '../positions.ts'
import { pageEvents, type Reader } from './reader.ts'
import type { Hub } from './shared-subscription.ts'

const firstRetryMs = 100
const longestRetryMs = 5_000
/** Pages from memory in which nothing matched, after which a quiet filter is told how far it is. */
const quietPages = 8

/**
 * Feeds one subscriber: from the server, filtered there, as far as memory does not reach back, then from the hub. A server that does not
 * answer is asked again for ever. `signal` ends it, at once.
 */
export const createFollow = ({ hub, reader, clock }: { readonly hub: Hub; readonly reader: Reader; readonly clock: Clock }) => {
  const again = async <Result>(signal: AbortSignal, read: () => Promise<Result>): Promise<Result | undefined> => {
    let retryMs = firstRetryMs
    while (!signal.aborted) {
      try {
        return await unlessAborted(signal, read())
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error
        await clock.sleep(retryMs, signal).catch(() => undefined)
        retryMs = Math.min(retryMs * 2, longestRetryMs)
      }
    }
    return undefined
  }

  const moved = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        forget()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const forget = hub.onMove(done)
      signal.addEventListener('abort', done)
      if (signal.aborted) done()
    })

  async function* follow(
    atCall: Promise<Position | undefined>,
    { after = origin, filter, signal }: SubscribeOptions,
  ): AsyncGenerator<Feed, void> {
    fromPosition(after)
    const target = await atCall
    if (target === undefined || signal.aborted) return
    hub.start(target)
    let cursor = earlier(after, target)
    let told = cursor
    let untold = 0
    let live = false
    while (!signal.aborted) {
      if (!live && cursor >= target) {
        live = true
        told = cursor
        yield { kind: 'live', position: cursor }
        continue
      }
      if (cursor > told && (cursor >= hub.head() || untold >= quietPages)) {
        told = cursor
        yield { kind: 'checkpoint', position: cursor }
        continue
      }
      const bound = live ? hub.head() : target
      let events: readonly RecordedEvent[]
      if (cursor < hub.floor()) {
        const from = cursor
        const page = await again(signal, () => reader.forwards({ after: from, upTo: bound, limit: pageEvents }, filter))
        if (page === undefined) return
        events = page.events
        cursor = page.reached
        untold = quietPages
      } else {
        const upTo = earlier(bound, hub.head())
        if (cursor >= upTo) {
          await moved(signal)
          continue
        }
        events = hub.after(cursor, upTo, pageEvents)
        cursor = events.length < pageEvents ? upTo : (events.at(-1)?.position ?? upTo)
        untold += 1
      }
      for (const event of events) {
        if (!matches(filter, event)) continue
        if (signal.aborted) return
        told = event.position
        untold = 0
        yield { kind: 'event', event }
      }
    }
  }

  /** The backlog is measured at the call, not when the first item is asked for. */
  return (options: SubscribeOptions): AsyncGenerator<Feed, void> => {
    const atCall = options.signal.aborted ? Promise.resolve(undefined) : again(options.signal, () => reader.head())
    // Thrown to the iterating caller, if there is one.
    atCall.catch(() => undefined)
    return follow(atCall, options)
  }
}

/** The outcome, or undefined as soon as the signal aborts. */
const unlessAborted = <Result>(signal: AbortSignal, promise: Promise<Result>): Promise<Result | undefined> =>
  new Promise((resolve, reject) => {
    const abort = (): void => resolve(undefined)
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
