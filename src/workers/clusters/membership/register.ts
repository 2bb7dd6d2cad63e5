import { cluster as clusterDecider, clusterStream } from '../../../commands/clusters/cluster.ts'
import { clusterHost } from '../../../commands/clusters/cluster-host.ts'
import type { KnownHost } from '../../../commands/clusters/investigation.ts'
import { joinCluster } from '../../../commands/clusters/join-cluster.ts'
import {
  type MembershipOutcome,
  type NodeChange,
  notJoined,
  RegisterInput,
  registerKind,
} from '../../../commands/clusters/membership.ts'
import type { CommandContext, Executor } from '../../../commands/execute.ts'
import { derivedId } from '../../../lib/ids.ts'
import { atOnce } from '../../at-once.ts'
import { commandFrom } from '../../command-from.ts'
import { type Work, type WorkContext, WorkFailed } from '../../work.ts'
import type { CurrentClusters } from './current-clusters.ts'
import { membershipPolicy, mostAtATime } from './membership-policy.ts'
import type { NodeChanges } from './node-changes.ts'

/**
 * Takes hosts out of a cluster, then into it: each is registered at the container manager first, and a member only then. What was done is recorded
 * host by host, so that a later attempt goes on where this one stopped. Source: clusters contract, section 3, rows 6 and 8.
 */
export const registerWork = ({
  executor,
  nodes,
  current,
}: {
  readonly executor: Executor
  readonly nodes: NodeChanges
  readonly current: CurrentClusters
}): Work<RegisterInput, MembershipOutcome> => {
  const { scheduler, during } = atOnce(mostAtATime)

  const leave = async ({ address }: KnownHost, { cluster }: RegisterInput, context: WorkContext): Promise<void> => {
    await executor.execute(
      clusterHost,
      { type: 'LeaveCluster', address, cluster, reason: 'replaced' },
      commandOf(context, 'leave', address),
    )
  }

  const join = async (host: KnownHost, { cluster, creation, manager }: RegisterInput, context: WorkContext): Promise<void> => {
    const { operationId } = context
    const { refused } = await joinCluster(
      { executor, isCurrent: current.has },
      { ...host, joins: { cluster, creation }, operationId },
      commandOf(context, 'join', host.address),
    )
    if (refused === undefined) return
    if (manager !== '') await nodes.remove({ ...host, manager }, context)
    throw new WorkFailed(notJoined, `${host.address} cannot join the cluster ${cluster}: ${refused.reason}`, {
      retryable: false,
    })
  }

  const run = async (input: RegisterInput, context: WorkContext): Promise<MembershipOutcome> => {
    const { cluster, creation, manager, removals, additions, isReplacement } = input
    const done: NodeChange[] = []
    if (isReplacement) {
      const { state } = await executor.load(clusterDecider, clusterStream(cluster))
      if (state.status === 'absent' || state.replacement !== context.operationId)
        throw new WorkFailed('superseded', `the hosts of ${cluster} were replaced otherwise`, { retryable: false })
    }
    if (!(await current.has({ cluster, creation })))
      throw new WorkFailed('cluster-gone', `the cluster ${cluster} was deleted`, { retryable: false })
    for (const { manager: from, ...host } of removals) {
      if (from !== null) done.push(await nodes.remove({ ...host, manager: from }, context))
      await leave(host, input, context)
    }
    for (const host of additions) {
      if (manager !== '') {
        const change = await nodes.register({ ...host, manager }, cluster, context)
        done.push(change)
        if (!change.done)
          throw new WorkFailed('registration-refused', `${host.address} was not registered: ${change.message}`, {
            retryable: false,
            details: { nodes: done },
          })
      }
      // The time may be over just when the manager has done it.
      if (context.signal.aborted && manager !== '') await nodes.undo({ ...host, manager }, cluster, context)
      context.signal.throwIfAborted()
      await join(host, input, context)
    }
    return { nodes: done }
  }

  return {
    kind: registerKind,
    face: 'clusters',
    description: 'Takes hosts out of a cluster and into it, with their nodes at its container manager',
    submittable: false,
    input: RegisterInput,
    policy: membershipPolicy,
    scheduler,
    run: (input, context) => during(context.operationId, () => run(input, context)),
  }
}

/** Commands of a work that a later attempt gives again. */
const commandOf = (context: WorkContext, ...words: readonly string[]): CommandContext =>
  commandFrom(context, derivedId(...words, context.operationId))
