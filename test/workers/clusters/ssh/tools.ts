import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../../../src/lib/clock.ts'
import type { ConnectionOptions } from '../../../../src/workers/clusters/ssh/connection.ts'
import { readPrivateKey } from '../../../../src/workers/clusters/ssh/private-key.ts'
import { createSsh } from '../../../../src/workers/clusters/ssh/session.ts'
import type { ExecOptions, SshSession, SshTarget } from '../../../../src/workers/clusters/ssh/ssh.ts'
import { createTargets } from '../../../../src/workers/outbound/address-guard.ts'
import { makeKeyPair } from '../../../engines/sshd.ts'

export const anyAddress = createTargets({ allowLinkLocal: true, allowPrivate: true })

export const ssh = (options: Partial<ConnectionOptions> = {}) =>
  createSsh({ clock: systemClock, addresses: anyAddress, acceptsChangedKeys: false, moreAlgorithms: [], ...options })

const { base64 } = makeKeyPair()

/** Somebody at a host. */
export const at = (
  { address, port }: { readonly address: string; readonly port: number },
  more: Partial<SshTarget> = {},
): SshTarget => ({
  address,
  port,
  user: 'root',
  key: readPrivateKey(base64),
  signal: new AbortController().signal,
  ...more,
})

/** A session that ends with the test. */
export const session = async (target: SshTarget, options: Partial<ConnectionOptions> = {}): Promise<SshSession> => {
  const opened = await ssh(options).connect(target)
  onTestFinished(() => opened.end())
  return opened
}

/** Runs a command and gives what it printed with its end. */
export const run = async (opened: SshSession, command: string, more: Partial<ExecOptions> = {}) => {
  const printed = { stdout: '', stderr: '' }
  const pipe = async (source: Readable, stream: 'stdout' | 'stderr'): Promise<void> => {
    printed[stream] = await text(source)
  }
  return { ...(await opened.exec(command, { timeLimitMs: 30_000, pipe, ...more })), ...printed }
}
