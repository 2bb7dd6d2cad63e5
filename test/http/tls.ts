import { readFileSync } from 'node:fs'
import { Agent, type AgentOptions, request } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { type CertificateFiles, makeCertificate } from '../engines/certificate.ts'

const loopback = 'DNS:localhost,IP:127.0.0.1'

/** What a test of TLS needs: two server certificates, an authority of clients, and clients of it and of nobody. */
export interface TlsMaterial {
  readonly server: CertificateFiles
  readonly nextServer: CertificateFiles
  readonly authority: CertificateFiles
  readonly client: CertificateFiles
  readonly stranger: CertificateFiles
}

/** The stranger has the client's CN and is its own authority. */
export const tlsMaterial = (directory: string): TlsMaterial => {
  const authority = makeCertificate(directory, 'authority', loopback)
  return {
    authority,
    server: makeCertificate(directory, 'server', loopback),
    nextServer: makeCertificate(directory, 'next-server', loopback),
    client: makeCertificate(directory, 'agent-7.example.com', loopback, { authority }),
    stranger: makeCertificate(directory, 'stranger', loopback, { commonName: 'agent-7.example.com' }),
  }
}

/** An agent that keeps one connection open, and shows a client certificate where one is given. */
export const tlsAgent = (trusted: readonly CertificateFiles[], client?: CertificateFiles, more: AgentOptions = {}): Agent =>
  new Agent({
    keepAlive: true,
    maxSockets: 1,
    ca: trusted.map(({ certificate }) => readFileSync(certificate)),
    ...(client === undefined ? {} : { cert: readFileSync(client.certificate), key: readFileSync(client.key) }),
    ...more,
  })

export interface TlsAnswer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
  readonly json: any
  readonly text: string
  readonly httpVersion: string
  readonly socket: TLSSocket
  readonly isResumed: boolean
  /** CN of the server's certificate. */
  readonly server: string
}

export const askTls = (
  url: string,
  line: string,
  agent: Agent,
  { headers = {}, body }: { readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown } = {},
): Promise<TlsAnswer> =>
  new Promise((resolve, reject) => {
    const [method = 'GET', path = '/'] = line.split(' ')
    const type: Record<string, string> = body === undefined ? {} : { 'Content-Type': 'application/json' }
    const sent = request(new URL(path, url), { method, agent, headers: { ...type, ...headers } }, (response) => {
      const socket = response.socket as TLSSocket
      const server = String(socket.getPeerX509Certificate()?.toLegacyObject().subject.CN)
      const isResumed = socket.isSessionReused()
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => {
        const isJson = /[/+]json$/.test(response.headers['content-type'] ?? '')
        const { httpVersion, statusCode: status = 0 } = response
        resolve({ status, text, json: isJson ? JSON.parse(text) : undefined, httpVersion, socket, isResumed, server })
      })
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
