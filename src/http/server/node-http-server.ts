import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Clock } from '../../lib/clock.ts'
import { type ProblemSlug, problemKinds } from '../replies/problem.ts'
import type { TlsContext } from './tls/tls-files.ts'
import { continueTrace } from './traceparent.ts'

/** A client that needs longer for its headers gets 408. */
const headersTimeoutMs = 15_000
const checkEveryMs = 2_000
const keepAliveMs = 30_000
const maxHeaderBytes = 16_384
/** How long a refused client may go on sending before it is cut off. */
const lingerMs = 2_000

const limits = {
  headersTimeout: headersTimeoutMs,
  // Who reads a body limits its time: one that is received as a stream may take hours.
  requestTimeout: 0,
  connectionsCheckingInterval: checkEveryMs,
  keepAliveTimeout: keepAliveMs,
  maxHeaderSize: maxHeaderBytes,
  // Without one it is refused by the face that owns the path, with a body.
  requireHostHeader: false,
  noDelay: true,
} as const

/** A server of plain HTTP. */
export const httpServer = (listener: RequestListener, clock: Clock): Server =>
  withRefusals(withContinue(createServer(limits, listener), listener), { clock, isOpen: () => true })

/** The same behind TLS. Clients that are asked for a certificate may show none, or any: who is let in is decided by request. */
export const tlsServer = (
  { options, asksClients }: TlsContext,
  listener: RequestListener,
  clock: Clock,
): Server & Pick<TlsServer, 'setSecureContext'> => {
  const server = createTlsServer(
    { ...limits, ...options, requestCert: asksClients, rejectUnauthorized: false, handshakeTimeout: headersTimeoutMs },
    listener,
  )
  // Before its handshake has ended a client cannot be told anything.
  const opened = new WeakSet<Socket>()
  server.on('secureConnection', (socket) => opened.add(socket))
  return withRefusals(withContinue(server, listener), {
    clock,
    isOpen: (socket) => !(socket instanceof TLSSocket) || opened.has(socket),
  })
}

/**
 * A client that sends `Expect: 100-continue` is asked for its body when somebody reads it: what is refused by its head alone is not sent.
 * Node closes the connection behind an answer that comes without the 100.
 */
const withContinue = <Made extends Server>(server: Made, listener: RequestListener): Made => {
  server.on('checkContinue', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const read = incoming._read
    incoming._read = (size) => {
      incoming._read = read
      if (!outgoing.headersSent) outgoing.writeContinue()
      read.call(incoming, size)
    }
    listener(incoming, outgoing)
  })
  return server
}

/** What is refused before it becomes a request is answered with a problem all the same. */
const withRefusals = <Made extends Server>(
  server: Made,
  { clock, isOpen }: { readonly clock: Clock; readonly isOpen: (socket: Socket) => boolean },
): Made => {
  // The bytes are bounded; a header that is dropped as one too many could be the one that matters.
  server.maxHeadersCount = 0
  const refuse = (socket: Socket, slug: ProblemSlug, detail: string): void => {
    socket.end(refusal(slug, detail))
    // Closed with bytes unread, the connection would be reset and the answer lost on its way.
    const cancel = clock.after(lingerMs, () => socket.destroy())
    socket.once('close', cancel)
  }
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !isOpen(socket)) socket.destroy()
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
    `traceparent: ${continueTrace(undefined)}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}
