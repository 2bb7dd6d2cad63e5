import type { CommandContext, Executor, Outcome } from '../execute.ts'
import { type ClusterCreation, type ClusterHostRefusal, type ClusterHostState, clusterHost, hostStream } from './cluster-host.ts'
import type { KnownHost } from './investigation.ts'

/**
 * Makes a host a member. A host that a crash left as a member of a cluster which was deleted may join: `isCurrent` says
 * whether there is such a creation of a cluster.
 */
export const joinCluster = async (
  { executor, isCurrent }: { readonly executor: Executor; readonly isCurrent: (creation: ClusterCreation) => Promise<boolean> },
  {
    address,
    registration,
    joins,
    operationId,
  }: KnownHost & { readonly joins: ClusterCreation; readonly operationId: string | undefined },
  context: CommandContext,
): Promise<Outcome<ClusterHostState, ClusterHostRefusal>> => {
  const { state } = await executor.load(clusterHost, hostStream(address))
  const member = state.status === 'live' ? state.member : null
  const isGone = member !== null && member.creation !== joins.creation && !(await isCurrent(member))
  const gone = isGone ? member.creation : undefined
  return executor.execute(clusterHost, { type: 'JoinCluster', address, registration, joins, operationId, gone }, context)
}
