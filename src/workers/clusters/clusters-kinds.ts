import type { ClustersSettings } from '../../commands/clusters/settings.ts'
import type { Executor } from '../../commands/execute.ts'
import type { Submit } from '../../commands/submit.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Projections } from '../../projections/projection.ts'
import type { EventLog } from '../../stores/event-log.ts'
import type { Work } from '../work.ts'
import { changeWorks } from './changes/change-works.ts'
import { checkWork } from './check.ts'
import type { Hosts } from './hosts.ts'
import { investigateWork } from './investigate.ts'
import { createManagers } from './managers/managers.ts'
import { type CurrentClusters, createCurrentClusters } from './membership/current-clusters.ts'
import { createNodeChanges } from './membership/node-changes.ts'
import { registerWork } from './membership/register.ts'
import { unregisterWork } from './membership/unregister.ts'
import { readOperatingSystems } from './operating-systems.ts'

interface ClustersNode {
  readonly log: EventLog
  readonly executor: Executor
  readonly submit: Submit
  readonly projections: Projections
  readonly settings: ClustersSettings
  readonly clock: Clock
}

/** Every kind of work of the clusters face. */
export const clustersWorks = async (node: ClustersNode): Promise<readonly Work[]> => {
  const nodes = createNodeChanges({ ...node, managers: createManagers(node) })
  const current = createCurrentClusters(node)
  const hosts = hostsOnDemand({ ...node, current })
  const systems = await readOperatingSystems(node.settings.osFile)
  return [
    registerWork({ ...node, nodes, current }),
    unregisterWork({ nodes, current }),
    investigateWork({ ...node, hosts, nodes, current, systems }),
    ...changeWorks({ ...node, hosts, current, systems }),
    checkWork({ ...node, hosts, current }),
  ] as unknown as readonly Work[]
}

/** What speaks SSH is loaded with the first host. */
const hostsOnDemand = (node: ClustersNode & { readonly current: CurrentClusters }): Hosts => {
  let hosts: Promise<Hosts> | undefined
  return {
    logIn: async (...host) => {
      hosts ??= import('./hosts.ts').then(({ createHosts }) => createHosts(node))
      return (await hosts).logIn(...host)
    },
  }
}
