import { type ClusterHostState, clusterHost, hostStream } from '../../commands/clusters/cluster-host.ts'
import type { KnownHost } from '../../commands/clusters/investigation.ts'
import type { ClustersSettings } from '../../commands/clusters/settings.ts'
import type { Executor } from '../../commands/execute.ts'
import type { Clock } from '../../lib/clock.ts'
import { derivedId } from '../../lib/ids.ts'
import { commandFrom } from '../command-from.ts'
import { createTargets } from '../outbound/address-guard.ts'
import type { WorkContext } from '../work.ts'
import { CommandFailed, HostUnusable } from './host-failure.ts'
import type { CurrentClusters } from './membership/current-clusters.ts'
import { firstBytes, lastBytes, watched } from './ssh/captured-output.ts'
import { readPrivateKey } from './ssh/private-key.ts'
import { type Patience, reach } from './ssh/reach.ts'
import { createSsh } from './ssh/session.ts'
import { asRoot } from './ssh/shell.ts'
import { type Ssh, SshFailed, type SshSession } from './ssh/ssh.ts'

type LiveHost = Extract<ClusterHostState, { status: 'live' }>
type HostContext = Pick<WorkContext, 'operationId' | 'actor' | 'correlationId' | 'signal' | 'open' | 'pipe' | 'output'>

/** The hosts that are registered, by SSH. What goes wrong is told by `hostFailure`. */
export interface Hosts {
  /** Logs in with the host's key, and remembers a key of the host that has changed where that is allowed. Ends with the context's signal. */
  logIn(host: KnownHost, context: HostContext, patience: (host: LiveHost) => Patience): Promise<OpenHost>
}

/** A host that we are logged in to. */
export interface OpenHost {
  readonly fingerprint: string
  /** Runs a command as root, whatever its exit code. What it prints goes to the operation's output. */
  attempt(command: string, options: CommandOptions): Promise<CommandEnd>
  /** The same, and rejects with `CommandFailed` where the exit code is not 0; resolves with the beginning of its standard output. */
  run(command: string, options: CommandOptions): Promise<string>
  /** The end of what commands have printed, of both streams. */
  lastOutput(): string
  end(): Promise<void>
}

interface CommandOptions {
  readonly timeLimitMs: number
  readonly stdin?: string
}

interface CommandEnd {
  readonly exitCode: number | null
  readonly signal?: string
  /** The beginning of its standard output. */
  readonly stdout: string
}

/** Of standard output; more than any fact takes. */
const keptStartBytes = 1024 * 1024
/** Source: clusters contract, section 6.1, "Captured". */
const keptEndBytes = 64 * 1024

export const createHosts = ({
  executor,
  current,
  clock,
  settings: { allowPrivate, acceptChangedHostKeys, sshAlgorithms },
  ssh = createSsh({
    clock,
    addresses: createTargets({ allowLinkLocal: false, allowPrivate, remedies }),
    acceptsChangedKeys: acceptChangedHostKeys,
    moreAlgorithms: sshAlgorithms,
  }),
}: {
  readonly executor: Executor
  readonly current: Pick<CurrentClusters, 'fingerprintOf'>
  readonly clock: Clock
  readonly settings: Pick<ClustersSettings, 'allowPrivate' | 'acceptChangedHostKeys' | 'sshAlgorithms'>
  readonly ssh?: Ssh
}): Hosts => {
  const remember = async (
    { address, registration }: KnownHost,
    keys: { readonly oldFingerprint: string; readonly newFingerprint: string; readonly accepted: boolean },
    context: HostContext,
  ): Promise<void> => {
    const commandId = derivedId('host key', context.operationId, keys.newFingerprint)
    await executor.execute(
      clusterHost,
      { type: 'RecordHostKey', address, registration, ...keys },
      commandFrom(context, commandId),
    )
  }

  return {
    logIn: async (host, context, patience) => {
      const { address, registration } = host
      const { state } = await executor.load(clusterHost, hostStream(address))
      if (state.status === 'absent' || state.registration !== registration)
        throw new HostUnusable('host-gone', `the host ${address} was deleted`)
      const { remoteUser: user, sshPort: port } = state
      const key = readPrivateKey(String(await context.open(state.key)))
      const known = (await current.fingerprintOf(host)) ?? undefined
      const changed = (newFingerprint: string, accepted: boolean) =>
        known === undefined ? undefined : remember(host, { oldFingerprint: known, newFingerprint, accepted }, context)
      const session = await reach(
        ssh,
        { address, port, user, key, knownFingerprint: known, signal: context.signal },
        { patience: patience(state), clock, onFailure: ({ message }) => void context.output(`${message}\n`, 'stderr') },
      ).catch(async (error: unknown) => {
        if (error instanceof SshFailed && error.fingerprint !== undefined) await changed(error.fingerprint, false)
        throw error
      })
      try {
        if (known !== session.fingerprint) await changed(session.fingerprint, true)
      } catch (error) {
        await session.end()
        throw error
      }
      return openHost(session, user, context)
    },
  }
}

const remedies = {
  private: 'hosts may not be there (CLUSTERS_ALLOW_PRIVATE)',
  linkLocal: 'hosts may not be there',
}

const openHost = (session: SshSession, user: string, { pipe }: Pick<HostContext, 'pipe'>): OpenHost => {
  const end = lastBytes(keptEndBytes)
  const attempt: OpenHost['attempt'] = async (command, options) => {
    const start = firstBytes(keptStartBytes)
    const seen = watched(pipe, (chunk, stream) => {
      end.add(chunk)
      if (stream === 'stdout') start.add(chunk)
    })
    return { ...(await session.exec(asRoot(user, command), { ...options, pipe: seen })), stdout: start.text() }
  }
  return {
    fingerprint: session.fingerprint,
    attempt,
    run: async (command, options) => {
      const ended = await attempt(command, options)
      if (ended.exitCode !== 0) throw new CommandFailed(command, ended)
      return ended.stdout
    },
    lastOutput: end.text,
    end: session.end,
  }
}
