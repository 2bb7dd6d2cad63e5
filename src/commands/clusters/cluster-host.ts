import { type HostEvent, hostPrefix, hostSubject, type LeaveReason } from '../../events/clusters/host.ts'
import type { SealedValue } from '../../events/sealed.ts'
import { type Decider, nothing, refuse } from '../decider.ts'

/** How a host is reached, and what is kept of it. */
export interface HostSettings {
  readonly remoteUser: string
  readonly sshPort: number
  readonly source: string
  /** Whether it is the address that the request came from. */
  readonly inferredAddress: boolean
}

/** A cluster by its name and the id of its `ClusterCreated`. */
export interface ClusterCreation {
  readonly cluster: string
  readonly creation: string
}

export type ClusterHostCommand = { readonly address: string } & (
  | ({
      /** Takes in a new host. Its key is sealed for `hostSubject` of the id that its `HostRegistered` will have. */
      readonly type: 'RegisterHost'
      readonly key: SealedValue
      readonly keyDigest: string
      readonly joins: ClusterCreation | undefined
    } & HostSettings)
  | {
      /** Compares a key with that of a host which is there: `keyDigest` is made under the data key of `registration`. */
      readonly type: 'ConfirmHost'
      readonly registration: string
      readonly keyDigest: string
    }
  | {
      readonly type: 'JoinCluster'
      readonly registration: string
      readonly joins: ClusterCreation
      readonly operationId: string | undefined
      /** The creation of a cluster that no longer exists: the host may still be noted as its member. */
      readonly gone?: string | undefined
    }
  | { readonly type: 'LeaveCluster'; readonly cluster: string; readonly reason: LeaveReason }
  | {
      readonly type: 'RecordHostKey'
      readonly registration: string
      readonly oldFingerprint: string
      readonly newFingerprint: string
      readonly accepted: boolean
    }
  | { readonly type: 'RecordCredentialsRead' }
  | { readonly type: 'DeleteHost'; readonly registration: string }
)

export type ClusterHostState =
  | { readonly status: 'absent' }
  | ({
      readonly status: 'live'
      /** The id of its `HostRegistered`. */
      readonly registration: string
      readonly key: SealedValue
      readonly keyDigest: string
      readonly member: ClusterCreation | null
      /** The newest key that was not the remembered one. */
      readonly changedKey: { readonly fingerprint: string; readonly accepted: boolean } | null
    } & HostSettings)

export type ClusterHostRefusal =
  | { readonly reason: 'unknown-host' }
  /** There is a host, or another one than the command was made for. */
  | { readonly reason: 'host-changed' }
  | { readonly reason: 'other-key' }
  | { readonly reason: 'member-elsewhere'; readonly cluster: string }

export const hostStream = (address: string): string => `${hostPrefix}${address}`

/** A host: how it is reached, and which cluster it is in; it is in one at most. */
export const clusterHost: Decider<ClusterHostCommand, HostEvent, ClusterHostState, ClusterHostRefusal> = {
  category: 'clusterHost',
  streamOf: ({ address }) => hostStream(address),
  initial: { status: 'absent' },
  evolve: (state, event) => {
    if (event.type === 'HostRegistered') {
      const { remoteUser, sshPort, source, inferredAddress, key, keyDigest } = event.data
      const registration = key.subject.slice(hostSubject('').length)
      const settings = { remoteUser, sshPort, source, inferredAddress }
      return { status: 'live', registration, ...settings, key, keyDigest, member: null, changedKey: null }
    }
    if (state.status === 'absent') return state
    switch (event.type) {
      case 'HostJoinedCluster': {
        const { cluster, creation } = event.data
        return { ...state, member: { cluster, creation } }
      }
      case 'HostLeftCluster':
        return { ...state, member: null }
      case 'HostKeyChanged':
        return { ...state, changedKey: { fingerprint: event.data.newFingerprint, accepted: event.data.accepted } }
      case 'HostCredentialsRead':
        return state
      case 'HostDeleted':
        return { status: 'absent' }
    }
  },
  decide: (command, state) => {
    const { address } = command
    // Also of a host that is gone: its past was read.
    if (command.type === 'RecordCredentialsRead') return { events: [{ type: 'HostCredentialsRead', data: { address } }] }
    if (command.type === 'RegisterHost') {
      const { type: _, joins, ...host } = command
      if (state.status === 'live') return state.key.subject === command.key.subject ? nothing : refuse({ reason: 'host-changed' })
      const registered = joins === undefined ? host : { ...host, cluster: joins.cluster }
      const joined: readonly HostEvent[] = joins === undefined ? [] : [{ type: 'HostJoinedCluster', data: { address, ...joins } }]
      return { events: [{ type: 'HostRegistered', data: registered }, ...joined] }
    }
    if (state.status === 'absent') return refuse({ reason: 'unknown-host' })
    const { registration, member } = state
    if ('registration' in command && command.registration !== registration) return refuse({ reason: 'host-changed' })
    switch (command.type) {
      case 'ConfirmHost':
        return command.keyDigest === state.keyDigest ? nothing : refuse({ reason: 'other-key' })
      case 'JoinCluster': {
        const { joins, operationId, gone } = command
        if (member?.creation === joins.creation) return nothing
        if (member !== null && member.creation !== gone) return refuse({ reason: 'member-elsewhere', cluster: member.cluster })
        const registered = operationId === undefined ? {} : { operationId }
        return { events: [{ type: 'HostJoinedCluster', data: { address, ...joins, ...registered } }] }
      }
      case 'LeaveCluster': {
        const { cluster, reason } = command
        return member?.cluster === cluster
          ? { events: [{ type: 'HostLeftCluster', data: { address, cluster, reason } }] }
          : nothing
      }
      case 'RecordHostKey': {
        const { oldFingerprint, newFingerprint, accepted } = command
        if (state.changedKey?.fingerprint === newFingerprint && state.changedKey.accepted === accepted) return nothing
        return { events: [{ type: 'HostKeyChanged', data: { address, oldFingerprint, newFingerprint, accepted } }] }
      }
      case 'DeleteHost': {
        if (member === null) return { events: [{ type: 'HostDeleted', data: { address } }] }
        const { cluster } = member
        return {
          events: [
            { type: 'HostLeftCluster', data: { address, cluster, reason: 'hostDeleted' } },
            { type: 'HostDeleted', data: { address, cluster } },
          ],
        }
      }
    }
  },
}
