import {
  type MembershipOutcome,
  type NodeChange,
  UnregisterInput,
  unregisterKind,
} from '../../../commands/clusters/membership.ts'
import { atOnce } from '../../at-once.ts'
import { type Work, type WorkContext, WorkFailed } from '../../work.ts'
import type { CurrentClusters } from './current-clusters.ts'
import { membershipPolicy, mostAtATime } from './membership-policy.ts'
import type { NodeChanges } from './node-changes.ts'

/** The whole cluster is to be gone within the time that its requester waits. */
const mostNodesAtATime = 8
/** Nobody waits for an undo, and others wait for it in the lane of the cluster. */
const undoTimeoutMs = 2_000

/** Removes nodes from the managers where they are registered: all are tried, and one that is refused fails it. Source: clusters contract, section 3, rows 4, 9 and 24. */
export const unregisterWork = ({
  nodes,
  current,
}: {
  readonly nodes: NodeChanges
  readonly current: CurrentClusters
}): Work<UnregisterInput, MembershipOutcome> => {
  const { scheduler, during } = atOnce(mostAtATime)

  const run = async ({ nodes: known, isUndo = false }: UnregisterInput, context: WorkContext): Promise<MembershipOutcome> => {
    const waiting = known.values()
    const done: NodeChange[] = []
    const removeNext = async (): Promise<void> => {
      for (const node of waiting) {
        if (isUndo && (await current.isRegistered(node))) continue
        done.push(await nodes.remove(node, context, isUndo ? undoTimeoutMs : undefined))
      }
    }
    await Promise.all(Array.from({ length: mostNodesAtATime }, removeNext))
    const refused = done.find((change) => !change.done)
    if (refused === undefined) return { nodes: done }
    throw new WorkFailed('removal-refused', `the node ${refused.address} was not removed: ${refused.message}`, {
      retryable: false,
      details: { nodes: done },
    })
  }

  return {
    kind: unregisterKind,
    face: 'clusters',
    description: 'Removes nodes from the container managers where they are registered',
    submittable: false,
    input: UnregisterInput,
    policy: membershipPolicy,
    scheduler,
    run: (input, context) => during(context.operationId, () => run(input, context)),
  }
}
