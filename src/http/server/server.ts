import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createEventHub } from '../events/event-hub.ts'
import type { Face } from '../faces/face.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import type { NativeRoute } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { documentRoutes } from '../openapi/document-routes.ts'
import { createChanges } from '../reading/view-changes.ts'
import { eventRoutes } from '../v1/events.ts'
import { healthRoutes } from '../v1/health.ts'
import { listKinds } from '../v1/kinds.ts'
import { documented, nativeFace } from '../v1/native-face.ts'
import { operationCommandRoutes } from '../v1/operation-commands.ts'
import { operationRoutes } from '../v1/operations.ts'
import { operationOutput } from '../v1/output.ts'
import { projectionRoutes } from '../v1/projections.ts'
import { secretRoutes } from '../v1/secrets.ts'
import { readStream } from '../v1/streams.ts'
import { submitOperation } from '../v1/submit.ts'
import { nativeSummaries } from '../v1/summaries.ts'
import { operationTargets } from '../v1/targets.ts'
import { whyRoutes } from '../v1/why.ts'
import { createDispatch } from './dispatch.ts'
import { createHttpApp, createListener } from './listener.ts'
import { createMetrics } from './metrics.ts'
import { httpServer } from './node-http-server.ts'

export interface HttpServer {
  /** One request without a socket. */
  readonly fetch: (request: Request) => Promise<Response>
  /** Resolves with the address that it really listens on (`port` 0 asks for any). */
  listen(address: { readonly host: string; readonly port: number }): Promise<{ readonly host: string; readonly port: number }>
  /** Takes no new connections, ends waits and event streams, lets other answers finish for `graceMs`, then cuts them. */
  close(options?: { readonly graceMs?: number }): Promise<void>
}

const idleCheckMs = 50
/** The native API and the given faces as one server. Nothing listens before `listen`; `mostAtATime` as in `createDispatch`. */
export const buildServer = (
  ports: HttpPorts,
  faces: readonly Face[] = [],
  { mostAtATime }: { readonly mostAtATime?: number } = {},
): HttpServer => {
  const closing = new AbortController()
  const changes = createChanges(ports)
  const hub = createEventHub(ports)
  const metrics = createMetrics({ ports, hub })
  const { reads: operationReads } = ports.operations
  const summaries = [nativeSummaries, ...faces.flatMap(({ summaries }) => (summaries === undefined ? [] : [summaries]))]
  const tools: RouteTools = { changes, hub, metrics, operationReads, summaries, closing: closing.signal }
  const ownRoutes: readonly NativeRoute[] = [
    listKinds,
    submitOperation(tools),
    ...operationRoutes(tools),
    ...operationCommandRoutes(tools),
    operationOutput(tools),
    operationTargets(tools),
    ...eventRoutes(tools),
    ...whyRoutes(tools),
    readStream,
    ...projectionRoutes,
    ...secretRoutes(tools),
    ...faces.flatMap(({ native = [] }) => native),
    ...healthRoutes(ports.health),
    ...documentRoutes({
      metrics,
      version: ports.settings.version,
      routes: () => [...ownRoutes.map(documented), ...faces.flatMap(({ documents = [] }) => documents)],
    }),
  ]
  const dispatch = createDispatch({ ports, native: nativeFace({ ports, routes: ownRoutes }), faces, metrics, mostAtATime })
  const app = createHttpApp(dispatch)
  let server: Server | undefined

  const listen: HttpServer['listen'] = async ({ host, port }) => {
    const made = httpServer(createListener(app, ports.logger), ports.clock)
    server = made
    await new Promise<void>((resolve, reject) => {
      made.once('error', reject)
      made.listen({ host, port, backlog: 2048 }, () => {
        made.off('error', reject)
        resolve()
      })
    })
    const address = made.address() as AddressInfo
    return { host: address.address, port: address.port }
  }

  const close: HttpServer['close'] = async ({ graceMs = 5_000 } = {}) => {
    closing.abort()
    for (const face of faces) face.close?.()
    hub.close()
    const listening = server
    server = undefined
    if (listening !== undefined)
      await new Promise<void>((resolve) => {
        const cut = ports.clock.after(graceMs, () => listening.closeAllConnections())
        let cutNext = (): void => {}
        // An answer that ends only now leaves a connection that its client would keep open.
        const cutIdle = (): void => {
          listening.closeIdleConnections()
          cutNext = ports.clock.after(idleCheckMs, cutIdle)
        }
        listening.close(() => {
          cut()
          cutNext()
          resolve()
        })
        cutIdle()
      })
    changes.close()
  }

  return { fetch: async (request) => app.fetch(request), listen, close }
}
