import { createServer, type IncomingMessage, type RequestListener, type Server, STATUS_CODES } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Clock } from '../lib/clock.ts'
import { createChanges } from './changes.ts'
import { createDispatch } from './dispatch.ts'
import { documentRoutes } from './documents.ts'
import { createEventHub } from './event-hub.ts'
import type { Face } from './face.ts'
import { healthRoutes } from './health.ts'
import { createHttpApp, createListener } from './listener.ts'
import { createMetrics } from './metrics.ts'
import { documented, nativeFace } from './native.ts'
import type { HttpPorts } from './ports.ts'
import { type ProblemSlug, problemKinds } from './problem.ts'
import type { NativeRoute } from './route.ts'
import type { RouteTools } from './tools.ts'
import { eventRoutes } from './v1/events.ts'
import { listKinds } from './v1/kinds.ts'
import { operationCommandRoutes } from './v1/operation-commands.ts'
import { operationRoutes } from './v1/operations.ts'
import { operationOutput } from './v1/output.ts'
import { projectionRoutes } from './v1/projections.ts'
import { secretRoutes } from './v1/secrets.ts'
import { readStream } from './v1/streams.ts'
import { submitOperation } from './v1/submit.ts'
import { nativeSummaries } from './v1/summaries.ts'
import { whyRoutes } from './v1/why.ts'

export interface HttpServer {
  /** One request without a socket. */
  readonly fetch: (request: Request) => Promise<Response>
  /** Resolves with the address that it really listens on (`port` 0 asks for any). */
  listen(address: { readonly host: string; readonly port: number }): Promise<{ readonly host: string; readonly port: number }>
  /** Takes no new connections, ends waits and event streams, lets other answers finish for `graceMs`, then cuts them. */
  close(options?: { readonly graceMs?: number }): Promise<void>
}

/** A client that needs longer for its headers, or for a whole request, gets 408. */
const headersTimeoutMs = 15_000
const requestTimeoutMs = 300_000
const checkEveryMs = 2_000
const keepAliveMs = 30_000
const maxHeaderBytes = 16_384
const idleCheckMs = 50
/** How long a refused client may go on sending before it is cut off. */
const lingerMs = 2_000

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

const httpServer = (listener: RequestListener, clock: Clock): Server => {
  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: checkEveryMs,
      keepAliveTimeout: keepAliveMs,
      maxHeaderSize: maxHeaderBytes,
      // Without one it is refused by the face that owns the path, with a body.
      requireHostHeader: false,
      noDelay: true,
    },
    listener,
  )
  // The bytes are bounded; a header that is dropped as one too many could be the one that matters.
  server.maxHeadersCount = 0
  const refuse = (socket: Socket, slug: ProblemSlug, detail: string): void => {
    socket.end(refusal(slug, detail))
    // Closed with bytes unread, the connection would be reset and the answer lost on its way.
    const cancel = clock.after(lingerMs, () => socket.destroy())
    socket.once('close', cancel)
  }
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET') socket.destroy()
    // What still arrives after the refusal is one more error to the parser, and is dropped.
    else if (socket.writable) refuse(socket, ...(clientErrors[error.code ?? ''] ?? notHttp))
  })
  server.on('checkExpectation', ({ socket }: IncomingMessage) =>
    refuse(socket, 'expectation-failed', 'only 100-continue can be expected here'),
  )
  server.on('connect', (_request: IncomingMessage, socket: Socket) =>
    refuse(socket, 'method-not-allowed', 'CONNECT is not known here'),
  )
  return server
}

/** What a connection is told whose request never became one: headers that are too large, too slow or malformed. */
const clientErrors: Readonly<Record<string, readonly [ProblemSlug, string]>> = {
  HPE_HEADER_OVERFLOW: ['header-too-large', `the headers are over ${maxHeaderBytes} bytes`],
  ERR_HTTP_REQUEST_TIMEOUT: ['request-timeout', 'the request did not arrive in time'],
}

const notHttp = ['invalid', 'the request is not valid HTTP'] as const

function refusal(slug: ProblemSlug, detail: string): string {
  const [status, title] = problemKinds[slug]
  const body = JSON.stringify({ type: `urn:intendant:problem:${slug}`, title, status, detail, instance: '' })
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}
