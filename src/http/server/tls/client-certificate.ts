import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** The certificate that a client has shown in its handshake, and has proved to hold the key of. */
export interface ClientCertificate {
  /** The CN of its subject; null where there is none, or more than one. */
  readonly commonName: string | null
  /** Whether an authority of `TLS_CLIENT_CA_FILE` stands behind it, for clients, and it has not run out since. */
  readonly verified: boolean
}

interface Shown {
  readonly commonName: string | null
  readonly isAuthorised: boolean
  /** Milliseconds since the epoch. */
  readonly until: number
}

const known = new WeakMap<TLSSocket, Shown | null>()

/** Undefined where the connection is not TLS or the client has shown none. `now` is milliseconds since the epoch. */
export const clientCertificateOf = (socket: Socket | undefined, now: () => number): ClientCertificate | undefined => {
  if (!(socket instanceof TLSSocket)) return undefined
  let shown = known.get(socket)
  if (shown === undefined) {
    shown = shownBy(socket)
    known.set(socket, shown)
  }
  return shown === null ? undefined : { commonName: shown.commonName, verified: shown.isAuthorised && now() < shown.until }
}

const shownBy = (socket: TLSSocket): Shown | null => {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return null
  const { CN } = certificate.toLegacyObject().subject as { readonly CN?: string | readonly string[] }
  return {
    commonName: typeof CN === 'string' ? CN : null,
    isAuthorised: socket.authorized,
    until: certificate.validToDate.getTime(),
  }
}
