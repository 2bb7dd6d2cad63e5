import { clusterManager, managerStream } from '../../../commands/clusters/cluster-manager.ts'
import type { ClustersSettings } from '../../../commands/clusters/settings.ts'
import type { Executor } from '../../../commands/execute.ts'
import type { SealedValue } from '../../../events/sealed.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { JsonValue } from '../../../lib/json.ts'
import { createOutbound } from '../../outbound/outbound.ts'
import type { ContainerManager } from './container-manager.ts'
import { kubernetesManager } from './kubernetes.ts'
import { managerServer } from './manager-options.ts'
import { trivialManager } from './trivial.ts'

/** The container managers that are configured. */
export interface ContainerManagers {
  /** Undefined where there is no configuration of the name. `open` opens its token, when it is first needed. */
  byName(name: string, open: (sealed: SealedValue) => Promise<JsonValue>): Promise<ContainerManager | undefined>
}

/** `isNode` says for managers that know nothing themselves whom they have as nodes. */
export const createManagers = ({
  executor,
  settings,
  clock,
  isNode = () => false,
}: {
  readonly executor: Executor
  readonly settings: Pick<ClustersSettings, 'allowPrivate' | 'proxyFor'>
  readonly clock: Clock
  readonly isNode?: (manager: string, address: string) => boolean
}): ContainerManagers => {
  const remedies = { private: 'container managers may not be there (CLUSTERS_ALLOW_PRIVATE)' }
  const addresses = { allowLinkLocal: false, allowPrivate: settings.allowPrivate, remedies }
  const outbound = createOutbound({ addresses, proxyFor: settings.proxyFor, clock })
  return {
    byName: async (name, open) => {
      const { state } = await executor.load(clusterManager, managerStream(name))
      if (state.status === 'absent') return undefined
      const { type, options } = state.manager
      if (type === 'trivial') return trivialManager((address) => isNode(name, address))
      const { token } = options
      const server = async () => managerServer(token === undefined ? options : { ...options, token: await open(token) })
      return kubernetesManager({ outbound, clock, server })
    },
  }
}
