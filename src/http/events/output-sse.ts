import { type FollowedOutput, type FollowOutputOptions, followOutput } from '../../projections/operations/follow-output.ts'
import type { EventLog } from '../../stores/event-log.ts'
import type { HttpContext } from '../faces/http-context.ts'
import type { Reply } from '../replies/reply.ts'
import type { EventHub } from './event-hub.ts'
import { messageFrame } from './sse-frames.ts'
import { comment, type Sink, sseReply } from './sse-sink.ts'

export interface OutputSseOptions extends Omit<FollowOutputOptions, 'signal'> {
  readonly log: EventLog
  readonly hub: EventHub
  readonly operationId: string
  /** Asked every two seconds: the stream ends when its principal would not be let in again. */
  readonly isAllowed: () => boolean
  /** Aborts when the server goes down. */
  readonly closing: AbortSignal
}

/**
 * The output of an operation as `text/event-stream`: a message for each chunk, at last `end` with the state, then the connection closes. A slow client costs one socket
 * buffer and one page of the log. Source: native contract, section 9.
 */
export const outputSse = (c: HttpContext, options: OutputSseOptions): Reply =>
  sseReply(c, options.closing, (sink) => send(sink, options), { Connection: 'close' })

const send = async (sink: Sink, { log, hub, operationId, isAllowed, closing, ...range }: OutputSseOptions): Promise<void> => {
  const signal = AbortSignal.any([sink.closed, closing])
  let isFull = false
  const leave = await hub.join({
    take: () => {},
    beat: () => {
      if (!isFull && !signal.aborted) sink.write(comment)
    },
    check: () => {
      if (!isAllowed()) sink.end()
    },
  })
  try {
    for await (const item of followOutput(log, operationId, { ...range, signal })) {
      isFull = !sink.write(frameOf(item))
      if (isFull) await sink.drained()
      isFull = false
    }
    sink.end()
  } finally {
    leave()
  }
}

const frameOf = (item: FollowedOutput): Buffer =>
  item.kind === 'end'
    ? messageFrame('end', { state: item.state })
    : Buffer.from(`id: ${item.nextOffset}\nevent: ${item.stream}\ndata: ${JSON.stringify(item.text)}\n\n`)
