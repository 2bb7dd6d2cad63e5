import { type NodeChange, nodeStep, type RegisteredHost, unregisterRequest } from '../../../commands/clusters/membership.ts'
import type { Submit } from '../../../commands/submit.ts'
import { type Clock, instant } from '../../../lib/clock.ts'
import { childId } from '../../../lib/ids.ts'
import { commandFrom } from '../../command-from.ts'
import type { WorkContext } from '../../work.ts'
import { type ContainerManager, ManagerRefused } from '../managers/container-manager.ts'
import type { ContainerManagers } from '../managers/managers.ts'

/** A host's node at a container manager. */
export type Node = RegisteredHost & { readonly manager: string }

/** What a work needs of its context to change nodes. */
export type NodeContext = Pick<WorkContext, 'operationId' | 'attempt' | 'actor' | 'correlationId' | 'signal' | 'step' | 'open'>

/**
 * Changes of nodes as recorded steps, from which the view folds who is registered where. A manager that refuses is a result of the step; rejects with
 * the reason of the signal.
 */
export interface NodeChanges {
  /**
   * Registers a node for a host of a cluster. Where it stays unknown whether the manager did it, it is undone.
   */
  register(node: Node, cluster: string, context: NodeContext): Promise<NodeChange>
  /** Removes a node some time later, behind what the lane of the cluster holds now, unless it counts as registered by then. */
  undo(node: Node, cluster: string, context: NodeContext): Promise<void>
  /** Removes one; where the configuration of the manager is gone, nothing is to be removed. `timeoutMs` where it has to be short. */
  remove(node: Node, context: NodeContext, timeoutMs?: number): Promise<NodeChange>
}

/** When a registration that was given up is undone: a manager may carry out late what it was asked for. */
const undoAfterMs = [2_000, 10_000, 60_000]

export const createNodeChanges = ({
  managers,
  submit,
  clock,
}: {
  readonly managers: ContainerManagers
  readonly submit: Submit
  readonly clock: Clock
}): NodeChanges => {
  const change = (
    wanted: NodeChange['wanted'],
    { address, registration, manager: name }: Node,
    { step, open, signal }: NodeContext,
    act: (manager: ContainerManager | undefined) => Promise<void>,
  ): Promise<NodeChange> => {
    const asked = { address, registration, manager: name, wanted }
    return step(nodeStep(asked), async () => {
      try {
        await act(await managers.byName(name, open))
        return { ...asked, done: true }
      } catch (error) {
        if (signal.aborted || !(error instanceof ManagerRefused)) throw error
        return { ...asked, done: false, message: error.message }
      }
    })
  }

  const undo: NodeChanges['undo'] = async (node, cluster, context) => {
    const { operationId, attempt } = context
    const { address, registration, manager } = node
    const request = unregisterRequest({ cluster, nodes: [{ address, registration, manager }], isUndo: true })
    for (const [index, ms] of undoAfterMs.entries()) {
      const commandId = childId(operationId, `undo ${address} ${attempt} ${index}`)
      const later = { ...request, runAt: instant(clock.now() + ms), parent: operationId }
      await submit(later, commandFrom(context, commandId), { internal: true })
    }
  }

  return {
    undo,
    register: (node, cluster, context) =>
      change('registered', node, context, async (manager) => {
        if (manager === undefined) throw new ManagerRefused(`there is no container manager "${node.manager}"`)
        try {
          await manager.register(node.address, context.signal)
        } catch (error) {
          const isKnown = error instanceof ManagerRefused && !error.isUnanswered
          if (!isKnown) await undo(node, cluster, context)
          throw error
        }
      }),
    remove: (node, context, timeoutMs) =>
      change('gone', node, context, async (manager) => manager?.remove(node.address, context.signal, timeoutMs)),
  }
}
