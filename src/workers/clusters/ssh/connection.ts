import { createHash } from 'node:crypto'
import { isIP, type LookupFunction, connect as openSocket, type Socket } from 'node:net'
import { Client, type PublicKeyAuthMethod } from 'ssh2'
import { algorithmsWith } from '../../../commands/clusters/ssh-algorithms.ts'
import type { Clock } from '../../../lib/clock.ts'
import { messageOf } from '../../../lib/errors.ts'
import { type PrivateKey, SshFailed, type SshTarget } from './ssh.ts'

/** A connection that has logged in. */
export interface Connection {
  readonly client: Client
  readonly socket: Socket
  readonly fingerprint: string
}

export interface ConnectionOptions {
  readonly clock: Clock
  /** Which addresses may be reached. */
  readonly addresses: { refusal(address: string): string | null; readonly lookup: LookupFunction }
  /** Whether a host whose key is another than the remembered one is spoken to all the same. */
  readonly acceptsChangedKeys: boolean
  /** Names of `oldAlgorithms`. */
  readonly moreAlgorithms: readonly string[]
}

/** Until the login has succeeded. Source: clusters contract, section 6.1, "Connect". */
const connectTimeoutMs = 10_000
/** A silent host is asked whether it lives, so that a machine that lost its power does not hold a command until its time limit. */
const keepalive = { keepaliveInterval: 30_000, keepaliveCountMax: 4 }
/** What a host may send before it has proved its key: ssh2 reads the text before the version anew with each chunk. */
const mostBytesBeforeHandshake = 32 * 1024
/** What it may send before it has let us in: banners. */
const mostBytesBeforeLogin = 1024 * 1024

/** As OpenSSH shows it. */
export const fingerprintOf = (key: Buffer): string =>
  `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`

/** Logs in once. Rejects with `SshFailed` or the signal's reason; nothing stays open then. */
export const logIn = async (target: SshTarget, options: ConnectionOptions): Promise<Connection> => {
  const { address, port, user, key, knownFingerprint, signal } = target
  const { clock, addresses, acceptsChangedKeys, moreAlgorithms } = options
  const where = `${address}:${port}`
  signal.throwIfAborted()
  const refused = isIP(address) === 0 ? null : addresses.refusal(address)
  if (refused !== null) throw new SshFailed('address-refused', refused)

  const { promise, resolve, reject } = Promise.withResolvers<Connection>()
  const client = new Client()
  const socket = openSocket({ host: address, port, lookup: addresses.lookup, noDelay: true })
  let fingerprint = ''
  let mayComeBytes = mostBytesBeforeHandshake
  const fail = (error: unknown): void => {
    reject(error)
    socket.destroy()
  }
  const failed = (reason: SshFailed['reason'], message: string, cause?: unknown) => new SshFailed(reason, message, { cause })
  const isBounded = (chunk: Buffer): void => {
    mayComeBytes -= chunk.length
    if (mayComeBytes < 0) fail(failed('flood', `${where} sends more than a login takes`))
  }
  const cancel = clock.after(connectTimeoutMs, () =>
    fail(failed('unreachable', `${where} did not let ${user} in within ${connectTimeoutMs / 1000} s`)),
  )
  const abort = (): void => fail(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  // ssh2 may report more than one error, and later ones after the end.
  client.on('error', (error) => fail(loginFailure(error, target)))
  client.on('close', () => fail(failed('unreachable', `${where} closed the connection during the login`)))
  // Before the reader of ssh2, which is attached after this event.
  client.on('connect', () => socket.on('data', isBounded))
  client.on('handshake', () => {
    mayComeBytes = mostBytesBeforeLogin
  })
  client.on('ready', () => {
    socket.off('data', isBounded)
    resolve({ client, socket, fingerprint })
  })

  const isKnownHost = (shown: Buffer): boolean => {
    fingerprint = fingerprintOf(shown)
    if (knownFingerprint === undefined || fingerprint === knownFingerprint || acceptsChangedKeys) return true
    const message = `the host key of ${where} is ${fingerprint}, and the remembered one is ${knownFingerprint}`
    fail(new SshFailed('host-key-changed', message, { fingerprint }))
    return false
  }
  const login: PublicKeyAuthMethod = { type: 'publickey', username: user, key: signer(key, moreAlgorithms) }
  try {
    client.connect({
      sock: socket,
      username: user,
      authHandler: [login],
      hostVerifier: isKnownHost,
      algorithms: algorithmsWith(moreAlgorithms),
      readyTimeout: 0,
      ...keepalive,
    })
    return await promise
  } catch (error) {
    fail(error)
    throw error
  } finally {
    cancel()
    signal.removeEventListener('abort', abort)
  }
}

/** ssh2 signs with SHA-1 where a host does not say what it takes. */
const signer = (key: PrivateKey, moreAlgorithms: readonly string[]): PrivateKey => {
  if (key.type !== 'ssh-rsa' || moreAlgorithms.includes('ssh-rsa')) return key
  const sign: PrivateKey['sign'] = (data, algorithm) =>
    algorithm === undefined || algorithm === 'sha1'
      ? (new Error('the host takes signatures with SHA-1 alone') as never)
      : key.sign(data, algorithm)
  return Object.create(key, { sign: { value: sign } })
}

const loginFailure = (error: Error & { level?: string; code?: unknown }, { address, port, user }: SshTarget): SshFailed => {
  const where = `${address}:${port}`
  // Where several addresses were tried the message is empty.
  const said = messageOf(error) || String(error.code)
  const failed = (reason: SshFailed['reason'], message: string) => new SshFailed(reason, message, { cause: error })
  if (error.level === 'client-authentication')
    return failed('auth-refused', `${where} does not let ${user} in with this key${/SHA-1/.test(said) ? `: ${said}` : ''}`)
  if (error.level === 'handshake' && /no matching/i.test(said)) return failed('no-common-algorithm', `${where}: ${said}`)
  if (error.name === 'TargetRefused') return failed('address-refused', said)
  return failed('unreachable', `${where} cannot be reached: ${said}`)
}
