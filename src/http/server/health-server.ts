import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Registry } from 'prom-client'
import { allows, type Credentials } from '../../stores/credentials/credentials.ts'
import type { Health } from '../faces/http-ports.ts'
import { json } from '../replies/json.ts'
import type { Reply } from '../replies/reply.ts'
import { readiness } from '../v1/health.ts'

export interface HealthServer {
  listen(address: { readonly host: string; readonly port: number }): Promise<{ readonly host: string; readonly port: number }>
  close(): Promise<void>
}

const requestTimeoutMs = 10_000

/** What a process without an API answers: `/livez`, `/readyz` and `/metrics`, as a server answers them. Source: native contract, section 6. */
export const createHealthServer = ({
  health,
  credentials,
  registry,
}: {
  readonly health: Health
  /** Where there are any, metrics need `v1:read`. */
  readonly credentials: Credentials
  readonly registry: Registry
}): HealthServer => {
  const answer = async (path: string, authorization: string | undefined): Promise<Reply> => {
    switch (path) {
      case '/livez':
        return json({ status: 'ok' })
      case '/readyz':
        return readiness(health)
      case '/metrics':
        if (!(await mayRead(authorization))) return { status: 401, headers: { 'WWW-Authenticate': challenge }, body: null }
        return { status: 200, headers: { 'Content-Type': registry.contentType }, body: await registry.metrics() }
      default:
        return json({ status: 'unknown', detail: 'this process is a worker: it answers /livez, /readyz and /metrics only' }, 404)
    }
  }

  const mayRead = async (authorization: string | undefined): Promise<boolean> => {
    if (!credentials.configured()) return true
    const principal = await credentials.authenticate(authorization)
    return principal !== null && allows(principal, 'v1:read')
  }

  const server: Server = createServer({ requestTimeout: requestTimeoutMs }, (request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
    answer(path, request.headers.authorization)
      .catch(() => json({ status: 'failing' }, 503))
      .then(({ status, headers, body }) => {
        response.writeHead(status, headers)
        response.end(request.method === 'HEAD' ? undefined : body)
      })
      .catch(() => response.destroy())
  })

  return {
    listen: ({ host, port }) =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host, port }, () => {
          const { address, port: taken } = server.address() as AddressInfo
          resolve({ host: address, port: taken })
        })
      }),
    close: () =>
      new Promise((resolve) => {
        if (!server.listening) return resolve()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const challenge = 'Bearer realm="intendant"'
