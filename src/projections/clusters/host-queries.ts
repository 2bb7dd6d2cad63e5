import { checkEveryMs, checkKind } from '../../commands/clusters/check.ts'
import type { KnownHost } from '../../commands/clusters/investigation.ts'
import type { OperationError } from '../../events/operation.ts'
import type { SealedValue } from '../../events/sealed.ts'
import { instant, parseInstant } from '../../lib/clock.ts'
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
  /** Of the key that the host is remembered by; null before it was first reached. */
  readonly fingerprint: string | null
  readonly registeredAt: string
  /** The latest operation that investigates it. */
  readonly investigation: string | null
  /** The event since which it is `failed`, and its time. */
  readonly failure: { readonly event: string; readonly at: string } | null
  /** The name of the last step of its bootstrap that succeeded. */
  readonly lastStep: string | null
  readonly cluster: string | null
  /** The container manager where its node is registered. */
  readonly manager: string | null
}

type HostRow = Omit<Host, 'inferredAddress' | 'failure'> & {
  readonly inferred: number
  readonly failure: string | null
  readonly failedAt: string | null
}

const columns = `hosts.address, hosts.registration, status, os, cpus, memory, space, last_check AS lastCheck, source, remote_user AS remoteUser,
  ssh_port AS sshPort, inferred, fingerprint, registered_at AS registeredAt, investigation, failure, failed_at AS failedAt,
  last_step AS lastStep, cluster, node_manager AS manager`
const select = `SELECT ${columns} FROM hosts`

/** Hosts that one check goes over at most. */
const mostChecked = 1_000

/** Hosts that are ready, or that a check could not reach; those that are being restarted are left alone. */
const isWatched = `(phase = 'ready' OR failed_by = 'check') AND NOT EXISTS (
  SELECT 1 FROM change_hosts JOIN changes USING (operation)
  WHERE change_hosts.registration = hosts.registration AND change_hosts.state = 'started'
    AND changes.change = 'restart' AND changes.finished_at IS NULL)`

export const hostQueries = (views: Views) => ({
  /** The oldest first. */
  all: (): readonly Host[] => views.all<HostRow>(`${select} ORDER BY seq`).map(hostOf),
  byAddress: (address: string): Host | undefined => {
    const row = views.get<HostRow>(`${select} WHERE address = ?`, address)
    return row && hostOf(row)
  },
  /** The private key as it was received, sealed. */
  keyOf: (address: string): SealedValue | undefined => {
    const row = views.get<{ key: string }>(`SELECT key FROM hosts WHERE address = ?`, address)
    return row && JSON.parse(row.key)
  },
  /** Why the last work with it failed. */
  lastErrorOf: (address: string): OperationError | undefined => {
    const row = views.get<{ error: string | null }>(`SELECT last_error AS error FROM hosts WHERE address = ?`, address)
    return row?.error == null ? undefined : JSON.parse(row.error)
  },
  /** In the order in which they joined. */
  membersOf: (cluster: string): readonly Host[] =>
    views.all<HostRow>(`${select} WHERE cluster = ? ORDER BY joined`, cluster).map(hostOf),
  addressesOf: (cluster: string): readonly string[] =>
    views
      .all<{ address: string }>(`SELECT address FROM hosts WHERE cluster = ? ORDER BY joined`, cluster)
      .map(({ address }) => address),
  /** Those that an operation has started on, or succeeded with, in its order; of one that is gone the address. */
  ofChange: (operation: string, state: 'started' | 'succeeded'): readonly (Host | { readonly address: string })[] =>
    views
      .all<HostRow & { readonly target: string }>(
        `SELECT change_hosts.address AS target, ${columns} FROM change_hosts LEFT JOIN hosts USING (address)
         WHERE operation = ? AND state = ? ORDER BY place`,
        operation,
        state,
      )
      .map(({ target, ...host }) => (host.address === null ? { address: target } : hostOf(host))),
  /** Those for which nobody has asked for an investigation. */
  uninvestigated: (): readonly Host[] =>
    views.all<HostRow>(`${select} WHERE phase = 'investigating' AND investigation IS NULL ORDER BY seq`).map(hostOf),
  /** Watched hosts whose last check, reached or not, is old enough, the oldest first. */
  due: (now: number): readonly Host[] =>
    views
      .all<HostRow>(
        `${select} WHERE ${isWatched} AND checked_at <= ? ORDER BY checked_at, seq LIMIT ${mostChecked}`,
        instant(now - checkEveryMs),
      )
      .map(hostOf),
  /** When the first watched host will be due, in milliseconds since the epoch; undefined where none is watched. */
  nextDueAt: (): number | undefined => {
    const { first = null } =
      views.get<{ first: string | null }>(`SELECT min(checked_at) AS first FROM hosts WHERE ${isWatched}`) ?? {}
    return first === null ? undefined : parseInstant(first) + checkEveryMs
  },
  /** Whether a check of hosts has not ended. */
  isBeingChecked: (): boolean => views.get(`SELECT 1 FROM works WHERE kind = ?`, checkKind) !== undefined,
})

const hostOf = ({ inferred, failure, failedAt, ...host }: HostRow): Host => ({
  ...host,
  inferredAddress: inferred === 1,
  failure: failure === null || failedAt === null ? null : { event: failure, at: failedAt },
})
