import { checkEveryMs } from '../../commands/clusters/check.ts'
import type { KnownHost } from '../../commands/clusters/investigation.ts'
import type { OperationError } from '../../events/operation.ts'
import type { SealedValue } from '../../events/sealed.ts'
import { instant } from '../../lib/clock.ts'
import type { Views } from '../projection.ts'

export type HostStatus = 'investigating' | 'bootstrapping' | 'active' | 'disassociated' | 'failed'

/** A host as it is known. */
export interface Host extends KnownHost {
  readonly status: HostStatus
  readonly os: string
  readonly cpus: number
  /** Kilobytes, as `space`. */
  readonly memory: number
  readonly space: number
  /** When it was last reached, RFC 3339; null before. */
  readonly lastCheck: string | null
  readonly source: string
  readonly remoteUser: string
  readonly sshPort: number
  /** Whether its address is the one that its registration came from. */
  readonly inferredAddress: boolean
  readonly key: SealedValue
  /** Of the key that the host is remembered by; null before it was first reached. */
  readonly fingerprint: string | null
  readonly registeredAt: string
  /** The latest operation that investigates it. */
  readonly investigation: string | null
  /** The event since which it is `failed`, and its time. */
  readonly failure: { readonly event: string; readonly at: string } | null
  readonly lastError: OperationError | null
  /** The name of the last step of its bootstrap that succeeded. */
  readonly lastStep: string | null
  readonly cluster: string | null
  /** The container manager where its node is registered. */
  readonly manager: string | null
}

type HostRow = Omit<Host, 'inferredAddress' | 'key' | 'failure' | 'lastError'> & {
  readonly inferred: number
  readonly key: string
  readonly failure: string | null
  readonly failedAt: string | null
  readonly lastError: string | null
}

const select = `SELECT address, registration, status, os, cpus, memory, space, last_check AS lastCheck, source, remote_user AS remoteUser,
  ssh_port AS sshPort, inferred, key, fingerprint, registered_at AS registeredAt, investigation, failure, failed_at AS failedAt,
  last_error AS lastError, last_step AS lastStep, cluster, node_manager AS manager FROM hosts`

export const hostQueries = (views: Views) => ({
  /** The oldest first. */
  all: (): readonly Host[] => views.all<HostRow>(`${select} ORDER BY seq`).map(hostOf),
  byAddress: (address: string): Host | undefined => {
    const row = views.get<HostRow>(`${select} WHERE address = ?`, address)
    return row && hostOf(row)
  },
  /** In the order in which they joined. */
  membersOf: (cluster: string): readonly Host[] =>
    views.all<HostRow>(`${select} WHERE cluster = ? ORDER BY joined`, cluster).map(hostOf),
  /** Those for which nobody has asked for an investigation. */
  uninvestigated: (): readonly Host[] =>
    views.all<HostRow>(`${select} WHERE phase = 'investigating' AND investigation IS NULL ORDER BY seq`).map(hostOf),
  /** Those whose last check, reached or not, is old enough, the oldest first; those that are being restarted are left alone. */
  due: (now: number): readonly Host[] =>
    views
      .all<HostRow>(
        `${select} WHERE (phase = 'ready' OR failed_by = 'check') AND checked_at <= ? AND NOT EXISTS (
           SELECT 1 FROM change_hosts JOIN changes USING (operation)
           WHERE change_hosts.registration = hosts.registration AND change_hosts.state = 'started'
             AND changes.change = 'restart' AND changes.finished_at IS NULL)
         ORDER BY checked_at, seq`,
        instant(now - checkEveryMs),
      )
      .map(hostOf),
})

const hostOf = ({ inferred, key, failure, failedAt, lastError, ...host }: HostRow): Host => ({
  ...host,
  inferredAddress: inferred === 1,
  key: JSON.parse(key),
  failure: failure === null || failedAt === null ? null : { event: failure, at: failedAt },
  lastError: lastError === null ? null : JSON.parse(lastError),
})
