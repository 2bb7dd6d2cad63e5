import type { Socket } from 'node:net'
import { type Header, headersOf, sendable } from '../../outbound/headers.ts'
import { failureOf } from '../../outbound/request-failure.ts'
import { createCarelessReader } from './lenient-response.ts'
import type { TransferOptions, Transferred } from './transfer.ts'

/** Asks again, on a connection of its own, and reads the answer leniently. Rejects with `RequestFailed`, or the signal's reason. */
export const transferCarelessly = async ({
  target,
  requestHeaders,
  maxBytes,
  signal,
  connections,
}: TransferOptions): Promise<Transferred> => {
  const { socket, path, headers } = await connections.open(target, signal).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : failureOf(error)
  })
  const host: readonly Header[] = headers.some(([name]) => name === 'Host') ? [] : [['Host', target.host]]
  const lines: readonly Header[] = [...host, ...headers, ...requestHeaders, ['Connection', 'close']]
  const head = [`GET ${path} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${sendable(value)}`), '', ''].join('\r\n')
  const { status, rawHeaders, body } = await answerOf(socket, Buffer.from(head, 'latin1'), maxBytes, signal)
  return { status, ...headersOf(rawHeaders), body }
}

const answerOf = (socket: Socket, request: Buffer, maxBytes: number, signal: AbortSignal) => {
  const reader = createCarelessReader({ maxBytes })
  return new Promise<ReturnType<typeof reader.end>>((resolve, reject) => {
    const settle = (finish: () => void): void => {
      signal.removeEventListener('abort', onAbort)
      try {
        finish()
      } catch (error) {
        reject(failureOf(error))
      }
      socket.destroy()
    }
    const onAbort = (): void => settle(() => reject(signal.reason))
    signal.addEventListener('abort', onAbort, { once: true })
    socket
      .on('error', (error) => settle(() => reject(failureOf(error))))
      .on('end', () => settle(() => resolve(reader.end())))
      .on('data', (chunk: Buffer) => {
        try {
          if (reader.push(chunk)) settle(() => resolve(reader.end()))
        } catch (error) {
          settle(() => reject(failureOf(error)))
        }
      })
    socket.write(request)
    if (signal.aborted) onAbort()
  })
}
