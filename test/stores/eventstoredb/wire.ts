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
  /** New connections go to another server. */
  lead(url: string): void
}

export const openWire = async (url: string): Promise<Wire> => {
  const given = addressIn(url)
  let target = given
  const sockets = new Set<Socket>()
  let isCut = false
  let isHeld = false
  const server = createServer((near) => {
    if (isCut) return near.destroy()
    const far = connect(target.port, target.host)
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
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    url: url.replace(`${given.host}:${given.port}`, `127.0.0.1:${(server.address() as AddressInfo).port}`),
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
    lead: (other) => {
      target = addressIn(other)
    },
  }
}

const addressIn = (url: string): { readonly host: string; readonly port: number } => {
  const [, host = '', port = ''] = /@?([\w.-]+):(\d+)/.exec(url.replace(/^[^/]*\/\//, '')) ?? []
  return { host, port: Number(port) }
}
