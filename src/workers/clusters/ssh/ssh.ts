import type { Readable } from 'node:stream'
import type { ParsedKey } from 'ssh2'
import type { StandardStream } from '../../../events/output.ts'

/** Commands on other machines, by SSH. Source: clusters contract, section 6.1. */
export interface Ssh {
  /** One attempt to log in. Rejects with `SshFailed`, or the signal's reason; whatever was opened is closed then. */
  connect(target: SshTarget): Promise<SshSession>
}

/** A private key that can sign. */
export type PrivateKey = ParsedKey

export interface SshTarget {
  readonly address: string
  readonly port: number
  readonly user: string
  readonly key: PrivateKey
  /** The remembered host key as `fingerprintOf` writes it. Without one, any is accepted. */
  readonly knownFingerprint?: string | undefined
  /** Ends the attempt, and later the session with everything that runs in it. */
  readonly signal: AbortSignal
}

/** One connection. It ends by `end`, by the signal, or by itself when the host is gone; what runs then fails with `lost`. */
export interface SshSession {
  /** Of the host's key. */
  readonly fingerprint: string
  /**
   * Runs a shell command as the user of the session, in a channel of its own and without a terminal. Resolves when the command has ended and its
   * output was taken. Rejects with `SshFailed` (`time-limit`, `lost`, `flood`), which ends the session, or the signal's reason.
   */
  exec(command: string, options: ExecOptions): Promise<ExecEnd>
  /** Closes the connection; resolves when its descriptor is free. Never rejects. */
  end(): Promise<void>
}

export interface ExecOptions {
  readonly timeLimitMs: number
  /** All of its standard input. Default: none. */
  readonly stdin?: string
  /** Takes what the command prints, both streams side by side; the host is read no faster than it does. Default: it is read and dropped. */
  readonly pipe?: (source: Readable, stream: StandardStream) => Promise<void>
}

/** How a command ended. `exitCode` is null where a signal ended it. */
export interface ExecEnd {
  readonly exitCode: number | null
  readonly signal?: string
}

/** Why there is no session, or no end of a command. */
export type SshFailure =
  | 'key-unreadable'
  | 'unreachable'
  | 'auth-refused'
  | 'host-key-changed'
  | 'no-common-algorithm'
  | 'address-refused'
  | 'lost'
  | 'time-limit'
  | 'flood'

export class SshFailed extends Error {
  override readonly name = 'SshFailed'
  readonly reason: SshFailure
  /** Of the key that the host showed; with `host-key-changed` only. */
  readonly fingerprint: string | undefined
  constructor(reason: SshFailure, message: string, options: ErrorOptions & { readonly fingerprint?: string } = {}) {
    super(message, options)
    this.reason = reason
    this.fingerprint = options.fingerprint
  }
}
