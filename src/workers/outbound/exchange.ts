import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Clock } from '../../lib/clock.ts'
import type { Connections } from './connections.ts'
import { type Header, headersOf, sendable } from './headers.ts'
import { failureOf, RequestFailed } from './request-failure.ts'

/** What bounds one request and its response. */
export interface ExchangeLimits {
  /** Most bytes of the response's body. Default: no limit. */
  readonly maxBytes?: number | undefined
  /** For everything, from the look-up of the name to the last byte of the response. Default: no limit. */
  readonly timeoutMs?: number | undefined
  /** Longest time in which no byte moves in either direction. Default: no limit. */
  readonly idleMs?: number | undefined
}

export interface ExchangeOptions extends ExchangeLimits {
  readonly target: URL
  readonly method: string
  readonly headers: readonly Header[]
  readonly body: string | Uint8Array | AsyncIterable<Uint8Array> | undefined
  readonly connections: Connections
  /** Aborts request and response, which then fail with its reason. */
  readonly signal: AbortSignal | undefined
  readonly clock: Clock
}

export interface Exchanged {
  readonly status: number
  readonly received: readonly Header[]
  readonly location: string | undefined
  /** Ends with `RequestFailed`, or the signal's reason, where it does not end well. What is not read holds the sender back. */
  readonly body: Readable
}

/**
 * Sends one request over a connection of the pool and resolves with the head of its response; request and response bodies are streams.
 * Rejects with `RequestFailed`, with the signal's reason, or with what the body of the request threw.
 */
export const exchange = async (options: ExchangeOptions): Promise<Exchanged> => {
  const { target, connections, method, maxBytes = Number.POSITIVE_INFINITY } = options
  const connection = await Promise.resolve(connections.take(target)).catch((error: unknown) => Promise.reject(failureOf(error)))
  return new Promise<Exchanged>((resolve, reject) => {
    let response: Readable | undefined
    let isOver = false
    const watch = startWatch(options, (reason) => fail(reason))
    const end = (): void => {
      isOver = true
      watch.stop()
    }
    const fail = (reason: unknown): void => {
      if (isOver) return
      end()
      connection.destroy()
      if (response === undefined) reject(reason)
      else response.destroy(reason as Error)
    }
    if (options.signal?.aborted) return fail(options.signal.reason)

    let bytes = 0
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {},
      onResponseStart(controller, status) {
        if (isOver || status < 200) return
        watch.moved()
        const { received, location } = headersOf(controller.rawHeaders)
        response = new Readable({
          read: () => controller.resume(),
          destroy: (error, done) => {
            // Left before its end: nothing else can come over this connection.
            fail(error ?? new RequestFailed('lost', 'the response was not read to its end'))
            done(error)
          },
        })
        resolve({ status, received, location, body: response })
      },
      onResponseData(controller, chunk) {
        if (isOver || response === undefined) return
        connection.progressed()
        watch.moved()
        bytes += chunk.length
        if (bytes > maxBytes) return fail(new RequestFailed('too_large', `the body is larger than ${maxBytes} bytes`))
        if (!response.push(chunk)) controller.pause()
      },
      onResponseEnd() {
        if (isOver) return
        end()
        connection.release()
        response?.push(null)
      },
      onResponseError(_controller, error) {
        if (response === undefined) connection.wasClosed()
        fail(watch.bodyFault() ?? failureOf(error))
      },
    }
    const headers = [...connection.headers, ...options.headers].flatMap(([name, value]) => [name, sendable(value)])
    try {
      connection.client.dispatch({ method, path: connection.path, headers, body: watch.sent(options.body) as never }, handler)
    } catch (error) {
      fail(error)
    }
  })
}

/** Looks after the time limits and the signal of one exchange. */
const startWatch = ({ timeoutMs, idleMs, signal, clock }: ExchangeOptions, fail: (reason: unknown) => void) => {
  let movedAt = clock.monotonic()
  let fault: { readonly error: unknown } | undefined
  const onAbort = (): void => fail(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  const stopTimer =
    timeoutMs === undefined
      ? undefined
      : clock.after(timeoutMs, () => fail(new RequestFailed('timeout', `no complete response within ${timeoutMs} ms`)))
  let stopIdle: (() => void) | undefined
  const lookAgain = (limit: number): void => {
    const left = movedAt + limit - clock.monotonic()
    if (left <= 0) fail(new RequestFailed('timeout', `no byte moved for ${limit} ms`))
    else stopIdle = clock.after(left, () => lookAgain(limit))
  }
  if (idleMs !== undefined) lookAgain(idleMs)
  const moved = (): void => {
    movedAt = clock.monotonic()
  }

  const counted = async function* (parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const part of parts) {
        moved()
        yield part
      }
    } catch (error) {
      fault = { error }
      throw error
    }
  }

  return {
    moved,
    /** The body of the request, such that each part that is taken counts as movement. */
    sent: (body: ExchangeOptions['body']) =>
      typeof body === 'object' && Symbol.asyncIterator in body ? counted(body) : (body ?? null),
    /** What the body of the request threw. */
    bodyFault: (): unknown => fault?.error,
    stop: (): void => {
      signal?.removeEventListener('abort', onAbort)
      stopTimer?.()
      stopIdle?.()
    },
  }
}
