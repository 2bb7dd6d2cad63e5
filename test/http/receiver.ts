import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'

/** One delivery as it came. */
export interface Delivery {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
  readonly event: any
  readonly at: number
}

/** What a receiver answers: a status, a status with headers, or nothing at all. */
export type ReceiverAnswer = number | { readonly status: number; readonly headers: Readonly<Record<string, string>> } | 'silence'

/** A receiver of webhooks; `answer` decides over each delivery, 204 by default. */
export const openReceiver = async (answer: (delivery: Delivery, count: number) => ReceiverAnswer = () => 204) => {
  const deliveries: Delivery[] = []
  const open = new Set<ServerResponse>()
  let decide = answer
  let atATime = 0
  let mostAtATime = 0
  const server = createServer((request, response) => {
    atATime++
    mostAtATime = Math.max(mostAtATime, atATime)
    response.on('close', () => atATime--)
    text(request).then(
      (body) => {
        const delivery = {
          path: request.url ?? '',
          headers: request.headers,
          body,
          event: JSON.parse(body),
          at: performance.now(),
        }
        deliveries.push(delivery)
        const given = decide(delivery, deliveries.length)
        if (given === 'silence') open.add(response)
        else if (typeof given === 'number') response.writeHead(given).end()
        else response.writeHead(given.status, given.headers).end()
        server.emit('delivery')
      },
      () => undefined,
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`,
    deliveries,
    mostAtATime: () => mostAtATime,
    answer: (next: typeof answer) => {
      decide = next
    },
    /** Lets go of what was not answered. */
    release: () => {
      for (const response of open) response.writeHead(204).end()
      open.clear()
    },
    until: async (enough: (deliveries: readonly Delivery[]) => boolean): Promise<void> => {
      while (!enough(deliveries)) await once(server, 'delivery')
    },
  }
}
