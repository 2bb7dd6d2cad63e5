import type { Dispatcher } from 'undici'
import type { Connections } from '../../outbound/connections.ts'
import { type Header, headersOf, mostInterim, sendable } from '../../outbound/headers.ts'
import { failureOf, RequestFailed } from '../../outbound/request-failure.ts'
import { createBodyParts, tooLarge } from './body-parts.ts'

/** Sends one request and reads its response to the end. Rejects with `RequestFailed`, or the signal's reason. */
export const transfer = async ({
  target,
  requestHeaders,
  maxBytes,
  signal,
  connections,
}: TransferOptions): Promise<Transferred> => {
  const taken = connections.take(target)
  const connection = taken instanceof Promise ? await taken.catch((error: unknown) => Promise.reject(failureOf(error))) : taken
  const headers = [...connection.headers, ...requestHeaders].flatMap(([name, value]) => [name, sendable(value)])
  let isOver = false
  return new Promise<Transferred>((resolve, reject) => {
    const end = (): void => {
      isOver = true
      signal.removeEventListener('abort', onAbort)
    }
    const fail = (error: unknown): void => {
      if (isOver) return
      end()
      reject(error)
      connection.destroy()
    }
    const onAbort = () => fail(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) return onAbort()

    let status = 0
    let interim = 0
    let head: ReturnType<typeof headersOf> = { received: [] }
    const body = createBodyParts(maxBytes)
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {},
      onResponseStart(controller, statusCode) {
        if (statusCode < 200) {
          if (++interim > mostInterim) fail(new RequestFailed('lost', `more than ${mostInterim} interim answers`))
          return
        }
        status = statusCode
        head = headersOf(controller.rawHeaders)
        const announced = Number(head.received.find(([name]) => name === 'Content-Length')?.[1])
        if (announced > maxBytes) fail(tooLarge(maxBytes))
      },
      onResponseData(_controller, chunk) {
        if (isOver) return
        connection.progressed()
        try {
          body.add(chunk)
        } catch (error) {
          fail(error)
        }
      },
      onResponseEnd() {
        if (isOver) return
        end()
        connection.release()
        resolve({ status, ...head, body: body.whole() })
      },
      onResponseError(_controller, error) {
        if (isOver) return
        if (status === 0) connection.wasClosed()
        fail(failureOf(error))
      },
    }
    try {
      connection.client.dispatch({ method: 'GET', path: connection.path, headers }, handler)
    } catch (error) {
      fail(error)
    }
  })
}

export interface Transferred {
  readonly status: number
  readonly received: readonly Header[]
  readonly location?: string
  readonly body: Buffer
}

export interface TransferOptions {
  readonly target: URL
  readonly requestHeaders: readonly Header[]
  readonly maxBytes: number
  readonly connections: Connections
  /** Aborts with the reason that the transfer is to reject with. */
  readonly signal: AbortSignal
}
