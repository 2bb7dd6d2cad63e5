import type { ClustersSettings } from '../../commands/clusters/settings.ts'
import type { Executor } from '../../commands/execute.ts'
import type { Submit } from '../../commands/submit.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Projections } from '../../projections/projection.ts'
import type { EventLog } from '../../stores/event-log.ts'
import type { Work } from '../work.ts'
import { createManagers } from './managers/managers.ts'
import { createCurrentClusters } from './membership/current-clusters.ts'
import { createNodeChanges } from './membership/node-changes.ts'
import { registerWork } from './membership/register.ts'
import { unregisterWork } from './membership/unregister.ts'

/** Every kind of work of the clusters face. */
export const clustersWorks = (node: {
  readonly log: EventLog
  readonly executor: Executor
  readonly submit: Submit
  readonly projections: Projections
  readonly settings: ClustersSettings
  readonly clock: Clock
}): readonly Work[] => {
  const nodes = createNodeChanges({ ...node, managers: createManagers(node) })
  const current = createCurrentClusters(node)
  return [registerWork({ ...node, nodes, current }), unregisterWork({ nodes, current })] as unknown as readonly Work[]
}
