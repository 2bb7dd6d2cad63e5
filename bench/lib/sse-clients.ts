import { connect, type Socket } from 'node:net'
import type { Followed, FollowOrder } from './followers.ts'

/** The process of many clients that follow an event stream; each checks that every event comes once and in order. */
process.once('message', ({ url, path, clients, events }: FollowOrder) => {
  follow({ url, path, clients, events }).then(
    (result) => process.send?.({ result }),
    (error: Error) => process.send?.({ error: error.message }),
  )
})

const follow = async ({ url: address, path, clients, events }: FollowOrder): Promise<Followed> => {
  const url = new URL(address)
  const sockets: Socket[] = []
  let live = 0
  let inOrder = true
  const ended = Array.from({ length: clients }, () => {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true })
    sockets.push(socket)
    let rest = ''
    let last = ''
    let heard = 0
    let isLive = false
    const line = (text: string): void => {
      if (text.startsWith('event: live') && !isLive) {
        isLive = true
        if (++live === clients) process.send?.({ live: true })
      }
      if (!text.startsWith('id: ')) return
      const id = text.slice(4)
      if (id <= last) inOrder = false
      last = id
      if (++heard === events) resolve(heard)
    }
    socket.on('connect', () => socket.write(`GET ${path} HTTP/1.1\r\nHost: ${url.host}\r\nAccept: text/event-stream\r\n\r\n`))
    socket.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString('latin1')).split('\n')
      rest = lines.pop() ?? ''
      for (const text of lines) line(text)
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`a stream ended after ${heard} of ${events} events`)))
    return promise
  })
  const deliveries = (await Promise.all(ended)).reduce((sum, heard) => sum + heard, 0)
  for (const socket of sockets) socket.removeAllListeners('close').destroy()
  return { deliveries, inOrder }
}
