import type { ServerResponse } from 'node:http'
import type { HttpContext } from '../faces/http-context.ts'
import { alreadySent, type Reply } from '../replies/reply.ts'

const headers = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-cache, no-transform',
  'X-Accel-Buffering': 'no',
}
/** Keeps the connection open. */
export const comment = Buffer.from(':\n\n')

/** Where frames go: a socket, or a web stream where no socket is. */
export interface Sink {
  /** False: full; write again after `drained`. */
  write(frame: Buffer): boolean
  /** Resolves when there is room again or the sink is closed. */
  drained(): Promise<void>
  /** Ends the stream after the written messages; `closed` aborts. */
  end(): void
  readonly closed: AbortSignal
}

/**
 * Answers with a `text/event-stream` that `fill` writes. It stays open until `fill` ends it, the client leaves or the server goes down
 * (`closing`); where `fill` rejects it is cut off, so that the client comes again.
 */
export const sseReply = (
  c: HttpContext,
  closing: AbortSignal,
  fill: (sink: Sink) => Promise<void>,
  more: Readonly<Record<string, string>> = {},
): Reply => {
  const { outgoing: response, traceparent } = c
  const all = { ...headers, ...more, traceparent }
  if (c.method === 'HEAD') return { status: 200, headers: all, body: null }
  if (response === undefined) return { status: 200, headers: all, body: webStream(fill) }
  response.writeHead(200, all)
  response.flushHeaders()
  response.socket?.setNoDelay(true)
  const end = (): void => void response.end()
  closing.addEventListener('abort', end, { once: true })
  response.on('close', () => closing.removeEventListener('abort', end))
  void fill(socketSink(response, closing)).catch(() => response.destroy())
  return alreadySent
}

const socketSink = (response: ServerResponse, closing: AbortSignal): Sink => {
  const closed = new AbortController()
  response.on('close', () => closed.abort())
  response.on('error', () => closed.abort())
  closing.addEventListener('abort', () => closed.abort(), { once: true, signal: closed.signal })
  return {
    closed: closed.signal,
    write: (frame) => closed.signal.aborted || response.write(frame),
    end: () => {
      closed.abort()
      response.end()
    },
    drained: () =>
      new Promise((resolve) => {
        if (closed.signal.aborted || !response.writableNeedDrain) return resolve()
        const done = (): void => {
          response.off('drain', done)
          closed.signal.removeEventListener('abort', done)
          resolve()
        }
        response.on('drain', done)
        closed.signal.addEventListener('abort', done)
      }),
  }
}

const webStream = (fill: (sink: Sink) => Promise<void>): ReadableStream<Uint8Array> => {
  const closed = new AbortController()
  let drained = (): void => {}
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      const sink: Sink = {
        closed: closed.signal,
        write: (frame) => {
          if (!closed.signal.aborted) controller.enqueue(frame)
          return (controller.desiredSize ?? 0) > 0
        },
        drained: () =>
          new Promise((resolve) => {
            drained = resolve
          }),
        end: () => {
          if (closed.signal.aborted) return
          closed.abort()
          drained()
          controller.close()
        },
      }
      fill(sink).catch((error) => controller.error(error))
    },
    pull: () => drained(),
    cancel: () => {
      closed.abort()
      drained()
    },
  })
}
