import { type ClusterEvent, clusterPrefix } from '../../events/clusters/cluster.ts'
import { isSameSet } from '../../lib/same-set.ts'
import { type Decider, nothing, refuse } from '../decider.ts'

export type ClusterCommand = { readonly name: string } & (
  | {
      /** Creates it, or changes what is given. */
      readonly type: 'ConfigureCluster'
      /** Default: as it is, for a new one `default`. */
      readonly network?: string | undefined
      /** Default: as it is, for a new one none. */
      readonly containerManager?: string | undefined
    }
  | {
      readonly type: 'ReplaceHosts'
      readonly old: readonly string[]
      readonly new: readonly string[]
      /** Who the members are, as it is known when the command is given. */
      readonly members: readonly string[]
      /** The latest replacement that is known to have ended, whatever its end. */
      readonly ended: string | null
      readonly operationId: string
    }
  | { readonly type: 'DeleteCluster'; readonly members: readonly string[] }
)

export type ClusterState =
  | { readonly status: 'absent' }
  | {
      readonly status: 'live'
      readonly network: string
      readonly containerManager: string
      /** The operation of the latest `ClusterHostsReplaced`. */
      readonly replacement: string | null
    }

export type ClusterRefusal =
  | { readonly reason: 'unknown-cluster' }
  /** `old` is not what the members are, or another replacement has come in between and has perhaps not ended. */
  | { readonly reason: 'hosts-conflict' }

export const clusterStream = (name: string): string => `${clusterPrefix}${name}`

/** A cluster's settings, and whether its hosts are replaced. */
export const cluster: Decider<ClusterCommand, ClusterEvent, ClusterState, ClusterRefusal> = {
  category: 'cluster',
  streamOf: ({ name }) => clusterStream(name),
  initial: { status: 'absent' },
  evolve: (state, event) => {
    if (event.type === 'ClusterCreated') {
      const { network, containerManager } = event.data
      return { status: 'live', network, containerManager, replacement: null }
    }
    if (state.status === 'absent') return state
    switch (event.type) {
      case 'ClusterSettingsChanged': {
        const { network = state.network, containerManager = state.containerManager } = event.data
        return { ...state, network, containerManager }
      }
      case 'ClusterHostsReplaced':
        return { ...state, replacement: event.data.operationId }
      case 'ClusterDeleted':
        return { status: 'absent' }
    }
  },
  decide: (command, state) => {
    const { name } = command
    if (command.type === 'ConfigureCluster') {
      const { network, containerManager } = command
      if (state.status === 'absent')
        return {
          events: [
            {
              type: 'ClusterCreated',
              data: { name, network: network ?? 'default', containerManager: containerManager ?? '' },
            },
          ],
        }
      const changes = {
        ...(network === undefined || network === state.network ? {} : { network }),
        ...(containerManager === undefined || containerManager === state.containerManager ? {} : { containerManager }),
      }
      if (Object.keys(changes).length === 0) return nothing
      return { events: [{ type: 'ClusterSettingsChanged', data: { name, ...changes } }] }
    }
    if (state.status === 'absent') return refuse({ reason: 'unknown-cluster' })
    switch (command.type) {
      case 'ReplaceHosts': {
        const { old, new: next, members, ended, operationId } = command
        // The same command once more, after a crash.
        if (state.replacement === operationId) return nothing
        if (!isSameSet(old, members) || state.replacement !== ended) return refuse({ reason: 'hosts-conflict' })
        return {
          events: [
            { type: 'ClusterHostsReplaced', data: { name, old: [...new Set(old)], new: [...new Set(next)], operationId } },
          ],
        }
      }
      case 'DeleteCluster':
        return { events: [{ type: 'ClusterDeleted', data: { name, members: [...command.members] } }] }
    }
  },
}
