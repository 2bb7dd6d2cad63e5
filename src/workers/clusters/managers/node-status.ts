import type { ClustersSettings } from '../../../commands/clusters/settings.ts'
import type { Executor } from '../../../commands/execute.ts'
import { openValue } from '../../../commands/sealing.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { JsonObject } from '../../../lib/json.ts'
import { clustersQueries, clustersView } from '../../../projections/clusters/clusters.ts'
import type { Projections } from '../../../projections/projection.ts'
import type { Secrets } from '../../../stores/secrets.ts'
import { ManagerRefused } from './container-manager.ts'
import { createManagers } from './managers.ts'

/** What a container manager, by the name of its configuration, says of a node. Rejects with `ManagerRefused` where it says nothing. */
export const createNodeStatus = ({
  projections,
  secrets,
  ...node
}: {
  readonly executor: Executor
  readonly settings: ClustersSettings
  readonly clock: Clock
  readonly projections: Pick<Projections, 'views'>
  readonly secrets: Secrets
}): ((manager: string, address: string, signal: AbortSignal) => Promise<JsonObject>) => {
  const isNode = (manager: string, address: string): boolean =>
    clustersQueries(projections.views(clustersView)).hosts.byAddress(address)?.manager === manager
  const managers = createManagers({ ...node, isNode })
  return async (name, address, signal) => {
    const manager = await managers.byName(name, (sealed) => openValue(sealed, secrets))
    if (manager === undefined) throw new ManagerRefused(`there is no container manager "${name}"`)
    return manager.status(address, signal)
  }
}
