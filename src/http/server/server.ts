import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createEventHub } from '../events/event-hub.ts'
import type { Face } from '../faces/face.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import type { NativeRoute } from '../faces/native-route.ts'
import type { RouteTools } from '../faces/route-tools.ts'
import { documentRoutes } from '../openapi/document-routes.ts'
import { createChanges } from '../reading/view-changes.ts'
import { submitBatch } from '../v1/batch.ts'
import { blobRoutes } from '../v1/blobs.ts'
import { bulkRoutes } from '../v1/bulk.ts'
import { eventRoutes } from '../v1/events.ts'
import { healthRoutes } from '../v1/health.ts'
import { listKinds } from '../v1/kinds.ts'
import { limitRoutes } from '../v1/limits.ts'
import { documented, nativeFace } from '../v1/native-face.ts'
import { operationCommandRoutes } from '../v1/operation-commands.ts'
import { operationRoutes } from '../v1/operations.ts'
import { operationOutput } from '../v1/output.ts'
import { projectionRoutes } from '../v1/projections.ts'
import { scheduleRoutes } from '../v1/schedules.ts'
import { secretRoutes } from '../v1/secrets.ts'
import { readStream } from '../v1/streams.ts'
import { submitOperation } from '../v1/submit.ts'
import { nativeSummaries } from '../v1/summaries.ts'
import { operationTargets } from '../v1/targets.ts'
import { webhookCommandRoutes } from '../v1/webhook-commands.ts'
import { webhookRoutes } from '../v1/webhooks.ts'
import { whyRoutes } from '../v1/why.ts'
import { createDispatch } from './dispatch.ts'
import { createHttpApp, createListener } from './listener.ts'
import { createMetrics } from './metrics.ts'
import { httpServer, tlsServer } from './node-http-server.ts'
import type { TlsContext } from './tls/tls-files.ts'

export interface HttpServer {
  /** One request without a socket. */
  readonly fetch: (request: Request) => Promise<Response>
  /** Resolves with the address that it really listens on (`port` 0 asks for any). May be called for several addresses. */
  listen(address: ListenAddress): Promise<ListenAddress>
  /** The same with TLS; `renewed` is called for handshakes to come, those of open connections stay as they are. */
  listenTls(address: ListenAddress, context: TlsContext): Promise<ListenAddress & { renewed(context: TlsContext): void }>
  /** Takes no new connections, ends waits and event streams, lets other answers finish for `graceMs`, then cuts them. */
  close(options?: { readonly graceMs?: number }): Promise<void>
}

export interface ListenAddress {
  readonly host: string
  readonly port: number
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
  for (const face of faces) face.metrics?.(metrics.registry)
  const { reads: operationReads } = ports.operations
  const summaries = [nativeSummaries, ...faces.flatMap(({ summaries }) => (summaries === undefined ? [] : [summaries]))]
  const tools: RouteTools = { changes, hub, metrics, operationReads, summaries, closing: closing.signal }
  const ownRoutes: readonly NativeRoute[] = [
    listKinds,
    submitOperation(tools),
    ...operationRoutes(tools),
    ...operationCommandRoutes(tools),
    submitBatch(tools),
    ...bulkRoutes(tools),
    operationOutput(tools),
    operationTargets(tools),
    ...limitRoutes(tools),
    ...eventRoutes(tools),
    ...whyRoutes(tools),
    readStream,
    ...projectionRoutes,
    ...secretRoutes(tools),
    ...blobRoutes(),
    ...scheduleRoutes(tools),
    ...webhookRoutes,
    ...webhookCommandRoutes,
    ...faces.flatMap(({ native = [] }) => native),
    ...healthRoutes(ports.health),
    ...documentRoutes({
      metrics,
      version: ports.settings.version,
      routes: () => [...ownRoutes.map(documented), ...faces.flatMap(({ documents = [] }) => documents)],
    }),
  ]
  const dispatch = createDispatch({ ports, native: nativeFace({ ports, routes: ownRoutes }), faces, metrics, mostAtATime })
  const app = createHttpApp(dispatch, ports.clock)
  const listener = createListener(app, ports.logger)
  let listening: readonly Server[] = []

  const listenWith = async (made: Server, { host, port }: ListenAddress): Promise<ListenAddress> => {
    listening = [...listening, made]
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

  const listenTls: HttpServer['listenTls'] = async (address, context) => {
    const made = tlsServer(context, listener, ports.clock)
    return { ...(await listenWith(made, address)), renewed: ({ options }) => made.setSecureContext(options) }
  }

  /** Takes no new connections; cuts idle ones at once and the others after the grace. */
  const closeOne = (server: Server, graceMs: number): Promise<void> =>
    new Promise((resolve) => {
      const cut = ports.clock.after(graceMs, () => server.closeAllConnections())
      let cutNext = (): void => {}
      // An answer that ends only now leaves a connection that its client would keep open.
      const cutIdle = (): void => {
        server.closeIdleConnections()
        cutNext = ports.clock.after(idleCheckMs, cutIdle)
      }
      server.close(() => {
        cut()
        cutNext()
        resolve()
      })
      cutIdle()
    })

  const close: HttpServer['close'] = async ({ graceMs = 5_000 } = {}) => {
    closing.abort()
    for (const face of faces) face.close?.()
    hub.close()
    const servers = listening
    listening = []
    await Promise.all(servers.map((server) => closeOne(server, graceMs)))
    changes.close()
  }

  return {
    fetch: async (request) => app.fetch(request),
    listen: (address) => listenWith(httpServer(listener, ports.clock), address),
    listenTls,
    close,
  }
}
