import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** Files of a key and of a certificate. */
export interface CertificateFiles {
  readonly key: string
  readonly certificate: string
}

/**
 * Makes them in `directory` for two days. `alternativeName` as openssl takes it: `DNS:localhost`. The certificate is its own authority where
 * no other is given. Throws where there is no openssl.
 */
export const makeCertificate = (
  directory: string,
  name: string,
  alternativeName: string,
  { authority, commonName = name }: { readonly authority?: CertificateFiles; readonly commonName?: string } = {},
): CertificateFiles => {
  const files = { key: join(directory, `${name}.key.pem`), certificate: join(directory, `${name}.pem`) }
  const subject = ['-subj', `/CN=${commonName}`, '-addext', `subjectAltName=${alternativeName}`]
  const kind = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2']
  const issuer =
    authority === undefined
      ? []
      : ['-CA', authority.certificate, '-CAkey', authority.key, '-addext', 'basicConstraints=critical,CA:FALSE']
  execFileSync('openssl', [...kind, '-keyout', files.key, '-out', files.certificate, ...subject, ...issuer], { stdio: 'ignore' })
  return files
}
