import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** Files of a key and of a certificate that is its own authority. */
export interface CertificateFiles {
  readonly key: string
  readonly certificate: string
}

/** Makes them in `directory` for two days. `alternativeName` as openssl takes it: `DNS:localhost`. Throws where there is no openssl. */
export const makeCertificate = (directory: string, name: string, alternativeName: string): CertificateFiles => {
  const files = { key: join(directory, `${name}.key.pem`), certificate: join(directory, `${name}.pem`) }
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${alternativeName}`]
  const kind = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2']
  execFileSync('openssl', [...kind, '-keyout', files.key, '-out', files.certificate, ...subject], { stdio: 'ignore' })
  return files
}
