import type { HttpContext } from '../../faces/http-context.ts'
import type { Authenticator } from './authenticator.ts'

/**
 * `httpauthclientcert`: certificates that an authority of `TLS_CLIENT_CA_FILE` stands behind. A browser shows its certificate whichever page
 * sends a request, so a page of another origin changes nothing by it.
 */
export const clientCertificateAuthenticator =
  ({ cn, isForeign }: { readonly cn: string | undefined; readonly isForeign: (c: HttpContext) => boolean }): Authenticator =>
  (c) => {
    const { clientCertificate, method } = c
    if (clientCertificate?.verified !== true || (cn !== undefined && clientCertificate.commonName !== cn)) return undefined
    if (method !== 'GET' && isForeign(c)) return undefined
    return clientCertificate.commonName ?? ''
  }
