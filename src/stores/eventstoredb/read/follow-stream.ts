import { START } from '@eventstore/db-client'
import type { Logger } from 'pino'
import type { Clock } from '../../../lib/clock.ts'
import type { LeaseConnection } from '../nodes/lease-stream.ts'

/** An event of a followed stream; `createdAt` by the server's clock, milliseconds since the epoch. */
export interface FollowedEvent {
  readonly revision: number
  readonly type: string
  readonly data: unknown
  readonly createdAt: number
}

const firstRetryMs = 100
const longestRetryMs = 1_000

/**
 * Hands over every event of one stream in order, from the oldest that the server still has, until `signal` aborts. A
 * subscription that breaks is taken up again after the last event seen, for ever: the client itself never does.
 */
export const followStream = ({
  connection,
  stream,
  clock,
  logger,
  signal,
  onEvent,
}: {
  readonly connection: LeaseConnection
  readonly stream: string
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
  readonly onEvent: (event: FollowedEvent) => void
}): void => {
  const { client, callOptions } = connection
  let seen: bigint | undefined
  let retryMs = firstRetryMs

  const connect = (): void => {
    if (signal.aborted) return
    const subscription = client.subscribeToStream(stream, { fromRevision: seen ?? START, ...callOptions })
    let isOver = false
    const end = (error?: unknown): void => {
      if (isOver) return
      isOver = true
      signal.removeEventListener('abort', abort)
      // A call that is not cancelled holds one of the hundred that a connection carries.
      subscription.unsubscribe().catch(() => undefined)
      if (signal.aborted) return
      logger.debug({ err: error, stream }, 'following a stream failed; trying again')
      clock.after(retryMs, connect)
      retryMs = Math.min(retryMs * 2, longestRetryMs)
    }
    const abort = (): void => end()
    signal.addEventListener('abort', abort, { once: true })
    // Stays attached for ever: an error without a listener ends the process, and they come late too.
    subscription.on('error', end)
    subscription.on('end', end)
    subscription.on('close', end)
    subscription.on('data', ({ event }) => {
      // A deleted stream says so with an event of the server's own at a revision that no stream has.
      if (isOver || event === undefined || event.type.startsWith('$')) return
      retryMs = firstRetryMs
      seen = event.revision
      onEvent({
        revision: Number(event.revision),
        type: event.type,
        data: event.data,
        createdAt: event.created.getTime(),
      })
    })
  }
  connect()
}
