import { changeKind, changes } from '../../commands/clusters/change.ts'
import { checkKind } from '../../commands/clusters/check.ts'
import { cluster } from '../../commands/clusters/cluster.ts'
import { clusterHost } from '../../commands/clusters/cluster-host.ts'
import { clusterManager } from '../../commands/clusters/cluster-manager.ts'
import { clusterNetwork } from '../../commands/clusters/cluster-network.ts'
import { investigateKind } from '../../commands/clusters/investigation.ts'
import { registerKind, unregisterKind } from '../../commands/clusters/membership.ts'
import { type ClustersSettings, clustersSettings, clustersVariables } from '../../commands/clusters/settings.ts'
import { hostEvents } from '../../events/clusters/host.ts'
import { managerEvents } from '../../events/clusters/manager.ts'
import { clusters as clustersProjection, clustersView } from '../../projections/clusters/clusters.ts'
import { faceModule } from '../face-module.ts'

const view = { reads: [clustersView] }

/** Commissaire's API. */
export const clusters = faceModule<ClustersSettings>({
  name: 'clusters',
  variables: clustersVariables,
  settings: (environment) => clustersSettings(environment),
  deciders: [cluster, clusterHost, clusterNetwork, clusterManager],
  projections: [clustersProjection],
  sealed: [hostEvents, managerEvents],
  kinds: {
    ...Object.fromEntries(changes.map((change) => [changeKind(change), view])),
    [investigateKind]: view,
    [registerKind]: view,
    [unregisterKind]: view,
    [checkKind]: view,
  },
  works: async (node) => {
    const { clustersWorks } = await import('../../workers/clusters/clusters-kinds.ts')
    return clustersWorks(node)
  },
  serve: async (node) => {
    const { createClustersFace } = await import('../../http/clusters/face.ts')
    const { createAuthentication } = await import('../../http/clusters/authenticators/authenticators.ts')
    const { createOutbound } = await import('../../workers/outbound/outbound.ts')
    const { createNodeStatus } = await import('../../workers/clusters/managers/node-status.ts')
    const { createInvestigations } = await import('../../workers/clusters/investigations.ts')
    const { createOrphanedChanges } = await import('../../workers/clusters/changes/orphaned-changes.ts')
    const { createWatcher } = await import('../../workers/clusters/watcher.ts')
    const { allowPrivate, proxyFor, authentication: settings } = node.settings
    const remedies = { private: 'the clusters face may not reach it (CLUSTERS_ALLOW_PRIVATE)', linkLocal: 'nobody may reach it' }
    const outbound = createOutbound({ addresses: { allowLinkLocal: false, allowPrivate, remedies }, proxyFor, clock: node.clock })
    const authentication = createAuthentication({ ports: node.ports, settings, outbound })
    return {
      face: createClustersFace({ ...node, authentication, nodeStatus: createNodeStatus(node) }),
      checks: authentication.checks,
      services: [
        { name: 'investigations', where: 'each', ...createInvestigations(node) },
        { name: 'orphaned-changes', where: 'one', ...createOrphanedChanges(node) },
        { name: 'watcher', where: 'one', ...createWatcher({ ...node, schedules: node.ports.schedules }) },
      ],
    }
  },
})
