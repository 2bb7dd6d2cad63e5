import type { ClusterCreation } from '../../../commands/clusters/cluster-host.ts'
import type { KnownHost } from '../../../commands/clusters/investigation.ts'
import { Unavailable } from '../../../lib/errors.ts'
import { clustersQueries, clustersView } from '../../../projections/clusters/clusters.ts'
import type { Projections } from '../../../projections/projection.ts'
import type { EventLog } from '../../../stores/event-log.ts'
import type { Node } from './node-changes.ts'

/** What the log says by now, asked of the view when it has come that far. */
export interface CurrentClusters {
  /** Whether this creation of a cluster is the one that there is. */
  has(creation: ClusterCreation): Promise<boolean>
  /** Whether a host's node counts as registered there. */
  isRegistered(node: Node): Promise<boolean>
  /** Of the key by which a host is remembered; null before it was first reached. */
  fingerprintOf(host: KnownHost): Promise<string | null>
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
  return {
    has: async ({ cluster, creation }) => (await queries()).clusters.byName(cluster)?.creation === creation,
    isRegistered: async ({ address, registration, manager }) => {
      const host = (await queries()).hosts.byAddress(address)
      return host?.registration === registration && host.cluster !== null && host.manager === manager
    },
    fingerprintOf: async ({ address, registration }) => {
      const host = (await queries()).hosts.byAddress(address)
      return host?.registration === registration ? host.fingerprint : null
    },
  }
}
