import { connect, createServer } from 'node:net'
import { systemClock } from '../../src/lib/clock.ts'

/** Below the range from which systems take ports for outgoing connections. */
const first = 20_000
const count = 12_000
const pollMs = 50

/** A free port of the loopback address, with a free one after it: a Kafka node takes two. */
export const freePortPair = async (): Promise<number> => {
  for (;;) {
    const port = first + Math.floor(Math.random() * count)
    if ((await isFree(port)) && (await isFree(port + 1))) return port
  }
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer().once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })

/** Resolves when the port takes connections; to false when `signal` is aborted before. */
export const untilAccepting = async (port: number, signal: AbortSignal, address = '127.0.0.1'): Promise<boolean> => {
  while (!signal.aborted) {
    if (await accepts(port, address)) return true
    await systemClock.sleep(pollMs)
  }
  return false
}

const accepts = (port: number, address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, address)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
