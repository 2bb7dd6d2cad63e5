import { type ContainerManager, ManagerRefused } from './container-manager.ts'

/**
 * The manager that does nothing but know its nodes. `isNode` says whom: the nodes are folded from the outcomes of registrations, so that
 * there is nothing to keep here.
 */
export const trivialManager = (isNode: (address: string) => boolean): ContainerManager => ({
  register: async () => undefined,
  remove: async () => undefined,
  status: async (address) => {
    if (!isNode(address)) throw new ManagerRefused(`${address} is not a node`)
    return { node: address, status: 'ok' }
  },
})
