import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import type { CertificateFiles } from '../../engines/certificate.ts'

/** How the server behaves instead of answering. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** A server that answers about nodes as the API of Kubernetes does. */
export interface KubernetesApi {
  readonly url: string
  /** Names of the nodes that it has. */
  readonly nodes: Set<string>
  /** `METHOD path`, as they came. */
  readonly requests: string[]
  /** CN of the client certificate of the last request. */
  lastClient(): string | undefined
  /** Answers everything from now on; undefined: as Kubernetes does. */
  behave(fault: Fault | undefined): void
  /** Resolves when so many requests have come in all. */
  asked(count: number): Promise<void>
  stop(): Promise<void>
}

const base = '/api/v1/nodes'

export const startKubernetesApi = async ({
  token,
  tls,
  clientAuthority,
}: {
  /** Demanded where it is given. */
  readonly token?: string
  /** HTTPS, with this certificate. */
  readonly tls?: CertificateFiles
  /** PEM file of the authority of client certificates, which are demanded then. */
  readonly clientAuthority?: string
} = {}): Promise<KubernetesApi> => {
  const nodes = new Set<string>()
  const requests: string[] = []
  const waiting: { readonly count: number; readonly resolve: () => void }[] = []
  let fault: Fault | undefined
  let client: string | undefined

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    requests.push(`${request.method} ${request.url}`)
    for (const one of waiting) if (requests.length >= one.count) one.resolve()
    const certificate = (request.socket as Partial<TLSSocket>).getPeerCertificate?.()
    client = typeof certificate?.subject?.CN === 'string' ? certificate.subject.CN : undefined
    const body = await text(request)
    if (fault !== undefined) return fault(request, response)
    const say = (status: number, document: object): void => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(document))
    }
    const status = (code: number, reason: string, message: string): void =>
      say(code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message })
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`)
      return status(401, 'Unauthorized', 'Unauthorized')
    if (request.method === 'POST' && request.url === base) {
      const name = JSON.parse(body).metadata.name
      if (nodes.has(name)) return status(409, 'AlreadyExists', `nodes "${name}" already exists`)
      nodes.add(name)
      return say(201, nodeOf(name))
    }
    const name = decodeURIComponent(request.url?.slice(base.length + 1) ?? '')
    if (!request.url?.startsWith(`${base}/`) || !nodes.has(name)) return status(404, 'NotFound', `nodes "${name}" not found`)
    if (request.method === 'DELETE') {
      nodes.delete(name)
      return say(200, { kind: 'Status', apiVersion: 'v1', status: 'Success', details: { name, kind: 'nodes' } })
    }
    say(200, nodeOf(name))
  }
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, response).catch(() => response.destroy())
  }
  const server =
    tls === undefined
      ? createServer(listener)
      : createTlsServer(
          {
            key: readFileSync(tls.key),
            cert: readFileSync(tls.certificate),
            ...(clientAuthority === undefined
              ? {}
              : { ca: readFileSync(clientAuthority), requestCert: true, rejectUnauthorized: true }),
          },
          listener,
        )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    nodes,
    requests,
    lastClient: () => client,
    behave: (next) => {
      fault = next
    },
    asked: (count) =>
      new Promise((resolve) => {
        if (requests.length >= count) resolve()
        else waiting.push({ count, resolve })
      }),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const nodeOf = (name: string) => ({
  kind: 'Node',
  apiVersion: 'v1',
  metadata: { name },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
})
