import { constants, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { Logger } from 'pino'
import type { Clock } from '../../../lib/clock.ts'
import { messageOf, Unacceptable } from '../../../lib/errors.ts'
import { openSettingsFiles, type SettingsFiles } from '../../../stores/files/settings-files.ts'

/** The files of the TLS listener, PEM. */
export interface TlsFiles {
  /** The server's certificate and, behind it, those between it and its authority. */
  readonly certificate: string
  /** Without a passphrase. */
  readonly key: string
  /** Authorities of client certificates; clients are asked for one where it is given. */
  readonly clientAuthorities: string | undefined
}

/** What a handshake needs, checked: `asksClients` says whether clients are asked for a certificate. */
export interface TlsContext {
  readonly options: SecureContextOptions
  readonly asksClients: boolean
}

const oldestVersion = 'TLSv1.2'

/**
 * Reads the files again when they change. Throws `Unacceptable`, one sentence that names the setting, where a file is missing or is not
 * what it should be, or where the key does not fit the certificate.
 */
export const openTlsFiles = (
  { certificate, key, clientAuthorities }: TlsFiles,
  ports: { readonly clock: Clock; readonly logger: Logger },
): SettingsFiles<TlsContext> =>
  openSettingsFiles({
    ...ports,
    files: [
      { setting: 'TLS_CERT_FILE', file: certificate },
      { setting: 'TLS_KEY_FILE', file: key },
      ...(clientAuthorities === undefined ? [] : [{ setting: 'TLS_CLIENT_CA_FILE', file: clientAuthorities }]),
    ],
    read: ([cert = '', keyText = '', ca]) => {
      const [own] = certificatesIn(cert, `TLS_CERT_FILE names ${certificate}, which`)
      if (!own?.checkPrivateKey(privateKeyIn(keyText, `TLS_KEY_FILE names ${key}, which`)))
        throw new Unacceptable(
          `the key in ${key} (TLS_KEY_FILE) is not that of the certificate in ${certificate} (TLS_CERT_FILE)`,
        )
      if (ca !== undefined) certificatesIn(ca, `TLS_CLIENT_CA_FILE names ${clientAuthorities}, which`)
      // A resumed session would take its client's certificate as it was checked once: every connection is checked anew.
      const client = ca === undefined ? {} : { ca, secureOptions: constants.SSL_OP_NO_TICKET }
      const options = { cert, key: keyText, minVersion: oldestVersion, ...client } as const
      try {
        createSecureContext(options)
      } catch (error) {
        throw new Unacceptable(`the certificate in ${certificate} (TLS_CERT_FILE) cannot be used: ${messageOf(error)}`)
      }
      return { options, asksClients: ca !== undefined }
    },
  })

const certificatesIn = (pem: string, subject: string): readonly X509Certificate[] => {
  const texts = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (texts.length === 0) throw new Unacceptable(`${subject} holds no certificate in PEM`)
  try {
    return texts.map((text) => new X509Certificate(text))
  } catch (error) {
    throw new Unacceptable(`${subject} holds a damaged certificate: ${messageOf(error)}`)
  }
}

const privateKeyIn = (pem: string, subject: string): KeyObject => {
  try {
    return createPrivateKey(pem)
  } catch (error) {
    throw new Unacceptable(`${subject} holds no private key in PEM without a passphrase: ${messageOf(error)}`)
  }
}
