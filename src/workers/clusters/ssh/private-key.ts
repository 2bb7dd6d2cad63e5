import { createPrivateKey, createPublicKey } from 'node:crypto'
import ssh2 from 'ssh2'
import { type PrivateKey, SshFailed } from './ssh.ts'

/** Signing with a larger key takes more than 50 ms of the main thread. */
const mostRsaBits = 8_192

/**
 * Reads a private key as clients send it: the base64 of a file that OpenSSH or OpenSSL wrote. Throws `SshFailed` (`key-unreadable`), whose message
 * holds nothing of it.
 */
export const readPrivateKey = (base64: string): PrivateKey => {
  const text = Buffer.from(base64, 'base64').toString('utf8')
  if (text.trim() === '') throw unreadable('the host has no SSH key')
  const key = parse(text) ?? parse(traditional(text))
  if (key === undefined) throw unreadable('the SSH key is not a private key without a passphrase, in base64')
  const { modulusLength = 0 } = createPublicKey(key.getPublicPEM()).asymmetricKeyDetails ?? {}
  if (modulusLength > mostRsaBits) throw unreadable(`the SSH key has more than ${mostRsaBits} bits`)
  return key
}

const unreadable = (message: string): SshFailed => new SshFailed('key-unreadable', message)

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
