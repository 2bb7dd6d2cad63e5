import { isDeepStrictEqual } from 'node:util'
import { type ManagerEvent, type ManagerOptions, type ManagerType, managerPrefix } from '../../events/clusters/manager.ts'
import type { JsonObject } from '../../lib/json.ts'
import { type Decider, nothing, refuse } from '../decider.ts'

export interface ManagerSettings {
  readonly type: ManagerType
  /** With a sealed `token`. */
  readonly options: ManagerOptions
  /** Null without a token. */
  readonly tokenDigest: string | null
}

/** What tells whether two configurations are the same: the digest stands for the token. */
export type ComparableManager = Omit<ManagerSettings, 'options'> & { readonly options: JsonObject }

export type ClusterManagerCommand = { readonly name: string } & (
  | ({ readonly type: 'ConfigureManager' } & { readonly manager: ManagerSettings })
  | {
      /** Compares with the configuration that is there; the digest is made under the data key of its token. */
      readonly type: 'ConfirmManager'
      /** The sealed token of the configuration that the command was made for; undefined where it has none. */
      readonly token: string | undefined
      readonly manager: ComparableManager
    }
  | { readonly type: 'RemoveManager' }
)

export type ClusterManagerState = { readonly status: 'absent' } | { readonly status: 'live'; readonly manager: ManagerSettings }

export type ClusterManagerRefusal =
  | { readonly reason: 'unknown-manager' }
  | { readonly reason: 'manager-exists' }
  /** There is a configuration, or another one than the command was made for. */
  | { readonly reason: 'manager-changed' }

export const managerStream = (name: string): string => `${managerPrefix}${name}`

/** The configuration of a container manager. It is never changed: deleted, and made anew. */
export const clusterManager: Decider<ClusterManagerCommand, ManagerEvent, ClusterManagerState, ClusterManagerRefusal> = {
  category: 'clusterManager',
  streamOf: ({ name }) => managerStream(name),
  initial: { status: 'absent' },
  evolve: (_state, event) => {
    if (event.type === 'ContainerManagerRemoved') return { status: 'absent' }
    const { type, options, tokenDigest } = event.data
    return { status: 'live', manager: { type, options, tokenDigest } }
  },
  memory: 'last',
  decide: (command, state) => {
    const { name } = command
    switch (command.type) {
      case 'ConfigureManager': {
        const { type, options, tokenDigest } = command.manager
        if (state.status === 'absent')
          return { events: [{ type: 'ContainerManagerConfigured', data: { name, type, options, tokenDigest } }] }
        // The same command once more, after a crash; another one has another key, and so another digest.
        return isDeepStrictEqual(comparable(state.manager), comparable(command.manager))
          ? nothing
          : refuse({ reason: 'manager-changed' })
      }
      case 'ConfirmManager': {
        if (state.status === 'absent' || state.manager.options.token?.$sealed !== command.token)
          return refuse({ reason: 'manager-changed' })
        return isDeepStrictEqual(comparable(state.manager), command.manager) ? nothing : refuse({ reason: 'manager-exists' })
      }
      case 'RemoveManager':
        return state.status === 'absent'
          ? refuse({ reason: 'unknown-manager' })
          : { events: [{ type: 'ContainerManagerRemoved', data: { name } }] }
    }
  },
}

const comparable = ({ options: { token: _, ...options }, ...manager }: ManagerSettings): ComparableManager => ({
  ...manager,
  options,
})
