import type { Socket } from 'node:net'
import { buildConnector, Client } from 'undici'
import type { ProxyAddress } from '../../lib/proxy-settings.ts'
import { connectTimeoutMs, type Targets } from './address-guard.ts'
import { RequestFailed } from './request-failure.ts'

/** Connections to a proxy: the operator named it, so the rules for targets do not hold for it. */
const connectToProxy = buildConnector({ allowH2: false, timeout: connectTimeoutMs })

export const proxyHeaders = ({ authorization }: ProxyAddress): Record<string, string> =>
  authorization === undefined ? {} : { 'Proxy-Authorization': authorization }

export const directlyToProxy: Targets['connect'] = (options, callback) => {
  connectToProxy(options, callback)
  return undefined
}

/** Connects to the target through a tunnel of the proxy, with TLS to the target inside. */
export const throughTunnel =
  (proxy: ProxyAddress, targets: Pick<Targets, 'secure'>): Targets['connect'] =>
  (options, callback) => {
    const authority = `${options.hostname}:${options.port || '443'}`
    const client = new Client(proxy.origin, { connect: connectToProxy })
    let tunnel: Socket | undefined
    let isOver = false
    const destroy = (): void => {
      isOver = true
      client.destroy().catch(() => undefined)
      tunnel?.destroy()
    }
    client.connect({ path: authority, headers: { host: authority, ...proxyHeaders(proxy) } }).then(
      ({ socket, statusCode }) => {
        tunnel = (socket as Socket).on('error', () => undefined)
        const isOpen = statusCode >= 200 && statusCode < 300
        if (isOpen && !isOver) return targets.secure({ ...options, httpSocket: tunnel }, callback)
        destroy()
        callback(new RequestFailed('refused', `the proxy answered ${statusCode}`), null)
      },
      (error: Error) => {
        destroy()
        callback(error, null)
      },
    )
    return { destroy }
  }
