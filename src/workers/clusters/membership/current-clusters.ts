import type { ClusterCreation } from '../../../commands/clusters/cluster-host.ts'
import type { KnownHost } from '../../../commands/clusters/investigation.ts'
import { Unavailable } from '../../../lib/errors.ts'
import { clustersQueries, clustersView } from '../../../projections/clusters/clusters.ts'
import type { Host } from '../../../projections/clusters/host-queries.ts'
import type { Projections } from '../../../projections/projection.ts'
import type { EventLog } from '../../../stores/event-log.ts'
import type { Node } from './node-changes.ts'

/** What the log says by now, asked of the view when it has come that far. */
export interface CurrentClusters {
  /** Whether this creation of a cluster is the one that there is. */
  has(creation: ClusterCreation): Promise<boolean>
  /** Whether a host's node counts as registered there. */
  isRegistered(node: Node): Promise<boolean>
  /** The container manager where the node of a member is registered; null where it is nowhere. */
  managerOf(host: KnownHost): Promise<string | null>
  /** Of the key by which a host is remembered; null before it was first reached. */
  fingerprintOf(host: KnownHost): Promise<string | null>
  /** A host as it is known; undefined where it was deleted. */
  hostOf(host: KnownHost): Promise<Host | undefined>
  /** Whether a host is a member of that creation of a cluster. */
  isMember(host: KnownHost, creation: ClusterCreation): Promise<boolean>
  /** Hosts whose last check is old enough at a moment, in milliseconds since the epoch; the oldest first. */
  due(now: number): Promise<readonly Host[]>
}

const caughtUpWithinMs = 10_000

export const createCurrentClusters = ({
  log,
  projections,
}: {
  readonly log: EventLog
  readonly projections: Projections
}): CurrentClusters => {
  const queries = async () => {
    if (!(await projections.reached(await log.head(), { timeoutMs: caughtUpWithinMs, names: [clustersView] })))
      throw new Unavailable('the view of clusters is behind the log')
    return clustersQueries(projections.views(clustersView))
  }
  const hostOf: CurrentClusters['hostOf'] = async ({ address, registration }) => {
    const host = (await queries()).hosts.byAddress(address)
    return host?.registration === registration ? host : undefined
  }
  const managerOf: CurrentClusters['managerOf'] = async (known) => {
    const { cluster = null, manager = null } = (await hostOf(known)) ?? {}
    return cluster === null ? null : manager
  }
  return {
    has: async ({ cluster, creation }) => (await queries()).clusters.byName(cluster)?.creation === creation,
    isRegistered: async ({ manager, ...host }) => (await managerOf(host)) === manager,
    managerOf,
    fingerprintOf: async (known) => (await hostOf(known))?.fingerprint ?? null,
    hostOf,
    isMember: async (host, { cluster, creation }) => {
      const { clusters, hosts } = await queries()
      const { registration, cluster: joined } = hosts.byAddress(host.address) ?? {}
      return registration === host.registration && joined === cluster && clusters.byName(cluster)?.creation === creation
    },
    due: async (now) => (await queries()).hosts.due(now),
  }
}
