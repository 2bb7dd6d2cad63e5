import type { Executor } from '../../../commands/execute.ts'
import { operation } from '../../../commands/operation.ts'
import { derivedId } from '../../../lib/ids.ts'
import { clustersQueries, clustersView } from '../../../projections/clusters/clusters.ts'
import type { Projections } from '../../../projections/projection.ts'

/** Cancels changes of clusters that were deleted by a process which ended before it did so. */
export const createOrphanedChanges = ({
  projections,
  executor,
}: {
  readonly projections: Pick<Projections, 'views'>
  readonly executor: Executor
}): { start(): Promise<void>; stop(): Promise<void> } => ({
  start: async () => {
    for (const { operation: id, cluster } of clustersQueries(projections.views(clustersView)).changes.orphaned()) {
      const actor = { principal: 'system', face: 'clusters', address: null }
      const context = { commandId: derivedId('cancel orphaned', id), actor, correlationId: id }
      await executor.execute(operation, { type: 'CancelOperation', id, reason: `the cluster ${cluster} was deleted` }, context)
    }
  },
  stop: async () => {},
})
