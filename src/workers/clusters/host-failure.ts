import type { JsonObject } from '../../lib/json.ts'
import { WorkFailed } from '../work.ts'
import { SshFailed, type SshFailure } from './ssh/ssh.ts'

/** Types of an operation's error. */
const types: Readonly<Record<SshFailure, string>> = {
  'key-unreadable': 'key-unreadable',
  unreachable: 'host-unreachable',
  'auth-refused': 'key-refused',
  'host-key-changed': 'host-key-changed',
  'no-common-algorithm': 'no-common-algorithm',
  'address-refused': 'address-refused',
  lost: 'connection-lost',
  'time-limit': 'time-limit',
  flood: 'too-much-sent',
}

/** A command of a host that did not end with 0. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
  readonly command: string
  readonly exitCode: number | null
  constructor(command: string, { exitCode, signal }: { readonly exitCode: number | null; readonly signal?: string }) {
    super(`\`${command}\` ended with ${exitCode === null ? (signal ?? 'a signal') : `exit code ${exitCode}`}`)
    this.command = command
    this.exitCode = exitCode
  }
}

/** What went wrong on a host, as the error of an operation; no other attempt mends it. Anything else is handed back as it is. */
export const hostFailure = (error: unknown, details: JsonObject = {}): unknown => {
  const failed = (type: string, more: JsonObject = {}) =>
    new WorkFailed(type, (error as Error).message, { retryable: false, details: { ...details, ...more } })
  if (error instanceof SshFailed) return failed(types[error.reason])
  if (error instanceof CommandFailed) return failed('command-failed', { command: error.command, exitCode: error.exitCode })
  if (error instanceof HostUnusable) return failed(error.type)
  return error
}

/** What a host says, or what it is to be told, cannot be used. */
export class HostUnusable extends Error {
  override readonly name = 'HostUnusable'
  readonly type: string
  constructor(type: string, message: string) {
    super(message)
    this.type = type
  }
}
