import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A way to a server that a test can interrupt. */
export interface Wire {
  /** The connection string that leads through it. */
  readonly url: string
  /** Nothing passes any more, and nobody is told. */
  hold(): void
  /** Connections break, and new ones are refused. */
  cut(): void
  restore(): void
}

export const openWire = async (url: string): Promise<Wire> => {
  const [, host = '', port = ''] = /@?([\w.-]+):(\d+)/.exec(url.replace(/^[^/]*\/\//, '')) ?? []
  const sockets = new Set<Socket>()
  let isCut = false
  let isHeld = false
  const server = createServer((near) => {
    if (isCut) return near.destroy()
    const far = connect(Number(port), host)
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('data', (bytes) => other.write(bytes))
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      if (isHeld) socket.pause()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = `${host}:${port}`
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    url: url.replace(address, `127.0.0.1:${(server.address() as AddressInfo).port}`),
    hold: () => {
      isHeld = true
      for (const socket of sockets) socket.pause()
    },
    cut: () => {
      isCut = true
      for (const socket of sockets) socket.destroy()
    },
    restore: () => {
      isCut = false
      isHeld = false
      for (const socket of sockets) socket.resume()
    },
  }
}
