import { clusterPrefix } from '../../events/clusters/cluster.ts'
import { hostPrefix } from '../../events/clusters/host.ts'
import { managerPrefix } from '../../events/clusters/manager.ts'
import { networkPrefix } from '../../events/clusters/network.ts'
import { operationPrefix } from '../../events/operation.ts'
import type { Projection, Views } from '../projection.ts'
import { changeQueries, changeSchema } from './changes.ts'
import { clusterQueries, clusterSchema, foldCluster } from './cluster-records.ts'
import { hostQueries } from './host-queries.ts'
import { foldHost, hostSchema } from './host-records.ts'
import { foldManager, managerQueries, managerSchema } from './managers.ts'
import { foldNetwork, networkQueries, networkSchema } from './networks.ts'
import { foldOperation, operationSchema } from './operations.ts'

/** The view of this face: what is asked joins clusters, hosts and what operations did to them, so they stand in one file. */
export const clustersView = 'clusters'

/**
 * Clusters, hosts, networks, container managers and what becomes of them in operations: folded from the events of the face and from steps,
 * targets and outcomes of its operations. Source: clusters contract, sections 5, 9 and 10.
 */
export const clusters: Projection = {
  name: clustersView,
  version: 1,
  filter: { streamPrefixes: [clusterPrefix, hostPrefix, networkPrefix, managerPrefix, operationPrefix] },
  kinds: ['clusters.'],
  schema: [...clusterSchema, ...hostSchema, ...networkSchema, ...managerSchema, ...changeSchema, ...operationSchema],
  apply: (event, tx) => {
    const category = event.stream.slice(0, event.stream.indexOf('-') + 1)
    folds[category]?.(event, tx)
  },
}

const folds: Readonly<Record<string, Projection['apply']>> = {
  [clusterPrefix]: foldCluster,
  [hostPrefix]: foldHost,
  [networkPrefix]: foldNetwork,
  [managerPrefix]: foldManager,
  [operationPrefix]: foldOperation,
}

/** Everything that can be asked of the view. Source: clusters contract, section 9. */
export const clustersQueries = (views: Views) => ({
  clusters: clusterQueries(views),
  hosts: hostQueries(views),
  networks: networkQueries(views),
  managers: managerQueries(views),
  changes: changeQueries(views),
})
export type ClustersQueries = ReturnType<typeof clustersQueries>
