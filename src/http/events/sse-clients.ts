import type { EventLog, Position } from '../../stores/event-log.ts'
import { scan } from '../../stores/event-scan.ts'
import { type EventSelection, selects } from '../../stores/event-selection.ts'
import type { HttpContext } from '../faces/http-context.ts'
import type { Reply } from '../replies/reply.ts'
import type { EventHub } from './event-hub.ts'
import { eventFrame, eventFrames, messageFrame } from './sse-frames.ts'
import { comment, type Sink, sseReply } from './sse-sink.ts'

/** Everything that one event stream needs; the log position `after` is exclusive. */
export interface FollowOptions {
  readonly log: EventLog
  readonly hub: EventHub
  readonly selection: EventSelection
  readonly after: Position
  /** Asked every two seconds: the stream ends when its principal would not be let in again. */
  readonly isAllowed: () => boolean
  /** Aborts when the server goes down. */
  readonly closing: AbortSignal
}

/**
 * An endless `text/event-stream`. A client that keeps up gets each event as the hub receives it. When the socket buffer is full, the client
 * leaves the live feed and catches up from the log, from its last event. So a slow client costs one
 * socket buffer, and misses no event. Source: native contract, section 3.
 */
export const eventStream = (c: HttpContext, options: FollowOptions): Reply =>
  sseReply(c, options.closing, (sink) => follow(sink, options))

const follow = async (sink: Sink, { log, hub, selection, after, isAllowed, closing }: FollowOptions): Promise<void> => {
  const wanted = selects(selection)
  let at = after
  let isLive = false
  let isFull = false
  let stall = (): void => {}
  const closed = (): boolean => sink.closed.aborted || closing.aborted

  const write = (frame: Buffer): void => {
    isFull = !sink.write(frame)
    if (!isFull || !isLive) return
    isLive = false
    stall()
  }
  const room = async (): Promise<void> => {
    if (!isFull) return
    await sink.drained()
    isFull = false
  }
  const onClosed = (): void => stall()
  sink.closed.addEventListener('abort', onClosed)
  const leave = await hub.join({
    take: (events) => {
      const last = events.at(-1)
      if (!isLive || last === undefined || last.position <= at) return
      const known = at
      at = last.position
      const mine = events.filter((event) => event.position > known && wanted(event))
      if (mine.length > 0) write(eventFrames(mine.length === events.length ? events : mine))
    },
    beat: () => {
      if (!isFull && !closed()) write(comment)
    },
    check: () => {
      if (!isAllowed()) sink.end()
    },
  })
  const catchUp = async (): Promise<void> => {
    const head = await log.head()
    for await (const event of scan(log, selection, { after: at })) {
      if (closed()) return
      write(eventFrame(event))
      at = event.position
      await room()
    }
    if (head > at) at = head
  }

  try {
    const head = await log.head()
    if (at > head) {
      write(messageFrame('gap', { from: after, to: head, reason: 'the log ends before the requested position' }))
      at = head
    }
    await catchUp()
    write(messageFrame('live', { position: at }))
    while (!closed()) {
      await room()
      if (hub.position() > at) {
        await catchUp()
        continue
      }
      // From here to the promise nothing else runs: what the hub hears next is taken by `take`.
      const stalled = new Promise<void>((resolve) => {
        stall = resolve
      })
      isLive = true
      await stalled
    }
  } finally {
    leave()
    sink.closed.removeEventListener('abort', onClosed)
  }
}
