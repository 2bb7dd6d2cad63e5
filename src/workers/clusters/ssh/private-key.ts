import { createPrivateKey, createPublicKey } from 'node:crypto'
import ssh2, { type ParsedKey } from 'ssh2'

/** A private key that can sign. */
export type PrivateKey = ParsedKey

/** Signing with a larger key takes more than 50 ms of the main thread. */
const mostRsaBits = 8_192

/** Thrown for a key that nobody can log in with; the message holds nothing of it. */
export class KeyUnreadable extends Error {
  override readonly name = 'KeyUnreadable'
}

/** Reads a private key as clients send it: the base64 of a file that OpenSSH or OpenSSL wrote. Throws `KeyUnreadable`. */
export const readPrivateKey = (base64: string): PrivateKey => {
  const text = Buffer.from(base64, 'base64').toString('utf8')
  if (text.trim() === '') throw new KeyUnreadable('the host has no SSH key')
  const key = parse(text) ?? parse(traditional(text))
  if (key === undefined) throw new KeyUnreadable('the SSH key is not a private key without a passphrase, in base64')
  const { modulusLength = 0 } = createPublicKey(key.getPublicPEM()).asymmetricKeyDetails ?? {}
  if (modulusLength > mostRsaBits) throw new KeyUnreadable(`the SSH key has more than ${mostRsaBits} bits`)
  return key
}

const parse = (text: string): PrivateKey | undefined => {
  const parsed: unknown = ssh2.utils.parseKey(text)
  const key = (Array.isArray(parsed) ? parsed[0] : parsed) as PrivateKey | Error
  return key instanceof Error || !key.isPrivateKey() ? undefined : key
}

/** A PKCS #8 file, as OpenSSL writes it today, in the older form that ssh2 reads; empty where it is none. */
const traditional = (pem: string): string => {
  try {
    const key = createPrivateKey(pem)
    return key.export({ format: 'pem', type: key.asymmetricKeyType === 'ec' ? 'sec1' : 'pkcs1' }).toString()
  } catch {
    return ''
  }
}
