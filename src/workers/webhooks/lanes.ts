import type { OpenDelivery } from '../../projections/webhooks/webhooks.ts'
import type { Position, RecordedEvent } from '../../stores/event-log.ts'

/** What is still to be delivered of one stream, or one parked event that is tried again. Events of a lane are delivered one after the other. */
export interface Lane {
  /** Its stream; for a parked event a name of its own. */
  readonly key: string
  readonly stream: string
  /** The id of the parked event. */
  readonly redriven: string | null
  /** The first place that may not be settled. */
  revision: number
  position: Position
  /** The event there, where it is at hand; else it is read from the stream. */
  event: RecordedEvent | undefined
  /** Whether events up to where the log was read may follow behind that place. */
  more: boolean
  /** Failures in a row of the event. */
  attempts: number
  state: 'ready' | 'sending' | 'waiting'
  cancelWait: () => void
}

/** So many of them have their event at hand. */
const mostAtHand = 16
/** Most streams of which something waits for its first try: the log is read no further then. */
const mostFresh = 64
/** The same, those included that wait for another try. */
const mostOpen = 1_000

/**
 * The lanes of one webhook that have something to deliver. Of a lane no more than one event is in memory, and the number of lanes is bounded: what
 * else waits is read again from the log when its turn has come.
 */
export interface Lanes {
  all(): Iterable<Lane>
  has(key: string): boolean
  /** Whether another event may be admitted. */
  hasRoom(): boolean
  /** Takes an event that the log gave, behind those of its stream. */
  admit(event: RecordedEvent): void
  /** Takes what an earlier run left open. */
  restore(open: OpenDelivery): Lane
  /** Gives it a turn, behind those that have one. */
  ready(lane: Lane): void
  /** The next one with a turn; `retries` says whether those that failed may have it. */
  next(options: { readonly retries: boolean }): Lane | undefined
  remove(lane: Lane): void
}

export const createLanes = (): Lanes => {
  const lanes = new Map<string, Lane>()
  /** In the order of their turns: those that have not failed, and the others. */
  const fresh = new Set<Lane>()
  const failed = new Set<Lane>()

  const add = (lane: Lane): Lane => {
    lanes.set(lane.key, lane)
    return lane
  }
  const ready = (lane: Lane): void => {
    lane.state = 'ready'
    if (lane.attempts > 0) failed.add(lane)
    else fresh.add(lane)
  }
  const take = (from: Set<Lane>): Lane | undefined => {
    const [lane] = from
    if (lane === undefined) return undefined
    from.delete(lane)
    lane.state = 'sending'
    return lane
  }

  return {
    all: () => lanes.values(),
    has: (key) => lanes.has(key),
    hasRoom: () => fresh.size < mostFresh && lanes.size < mostOpen,
    admit: (event) => {
      const { stream, revision, position } = event
      const known = lanes.get(stream)
      if (known === undefined) {
        const atHand = fresh.size < mostAtHand ? event : undefined
        const none = { redriven: null, more: false, attempts: 0, cancelWait: () => undefined }
        ready(add({ ...none, key: stream, stream, revision, position, event: atHand, state: 'ready' }))
      } else if (revision > known.revision) known.more = true
    },
    restore: ({ stream, revision, position, redriven, failed }) =>
      add({
        key: redriven === null ? stream : `redriven ${redriven}`,
        stream,
        redriven,
        revision,
        position,
        event: undefined,
        more: redriven === null,
        attempts: failed?.attempts ?? 0,
        state: 'waiting',
        cancelWait: () => undefined,
      }),
    ready,
    next: ({ retries }) => take(fresh) ?? (retries ? take(failed) : undefined),
    remove: (lane) => {
      lane.cancelWait()
      fresh.delete(lane)
      failed.delete(lane)
      lanes.delete(lane.key)
    },
  }
}
