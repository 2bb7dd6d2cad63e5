import { isDeepStrictEqual } from 'node:util'
import { defaultNetworkName, type NetworkEvent, type NetworkType, networkPrefix } from '../../events/clusters/network.ts'
import type { JsonObject } from '../../lib/json.ts'
import { type Decider, nothing, refuse } from '../decider.ts'

export interface NetworkSettings {
  readonly type: NetworkType
  readonly options: JsonObject
}

/** What the network `default` is from the first start on, and what a missing network counts as. */
export const defaultNetwork: NetworkSettings = { type: 'flannel_etcd', options: {} }

export type ClusterNetworkCommand = { readonly name: string } & (
  | { readonly type: 'CreateNetwork'; readonly network: NetworkSettings }
  | { readonly type: 'DeleteNetwork' }
)

/** `initial`: nobody has touched it; the network `default` exists then. */
export type ClusterNetworkState =
  | { readonly status: 'initial' | 'absent' }
  | { readonly status: 'live'; readonly network: NetworkSettings }

export type ClusterNetworkRefusal = { readonly reason: 'unknown-network' } | { readonly reason: 'network-exists' }

/** The network of a name by the state of its stream; undefined where there is none. */
export const networkOf = (name: string, state: ClusterNetworkState): NetworkSettings | undefined => {
  if (state.status === 'live') return state.network
  return state.status === 'initial' && name === defaultNetworkName ? defaultNetwork : undefined
}

/** A network of clusters. It is never changed: deleted, and created anew. */
export const clusterNetwork: Decider<ClusterNetworkCommand, NetworkEvent, ClusterNetworkState, ClusterNetworkRefusal> = {
  category: 'clusterNetwork',
  streamOf: ({ name }) => networkStream(name),
  initial: { status: 'initial' },
  evolve: (_state, event) => {
    if (event.type === 'NetworkDeleted') return { status: 'absent' }
    const { type, options } = event.data
    return { status: 'live', network: { type, options } }
  },
  memory: 'last',
  decide: (command, state) => {
    const { name } = command
    const known = networkOf(name, state)
    switch (command.type) {
      case 'CreateNetwork': {
        const { type, options } = command.network
        if (known !== undefined)
          return isDeepStrictEqual(known, { type, options }) ? nothing : refuse({ reason: 'network-exists' })
        return { events: [{ type: 'NetworkCreated', data: { name, type, options } }] }
      }
      case 'DeleteNetwork':
        return known === undefined
          ? refuse({ reason: 'unknown-network' })
          : { events: [{ type: 'NetworkDeleted', data: { name } }] }
    }
  },
}

export const networkStream = (name: string): string => `${networkPrefix}${name}`
