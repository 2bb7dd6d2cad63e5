import type { clusterEvents } from '../../events/clusters/cluster.ts'
import type { hostEvents, LeaveReason } from '../../events/clusters/host.ts'
import type { managerEvents } from '../../events/clusters/manager.ts'
import type { networkEvents } from '../../events/clusters/network.ts'
import type { SummariesOf } from '../replies/event-summary.ts'

type ClustersSummaries = SummariesOf<typeof clusterEvents> &
  SummariesOf<typeof hostEvents> &
  SummariesOf<typeof networkEvents> &
  SummariesOf<typeof managerEvents>

const reasons: Readonly<Record<LeaveReason, string>> = {
  removed: 'it was removed',
  replaced: 'the hosts of the cluster were replaced',
  hostDeleted: 'the host was deleted',
  clusterDeleted: 'the cluster was deleted',
}

/** What the events of clusters say. */
export const clustersSummaries: ClustersSummaries = {
  ClusterCreated: ({ name, network }, { who }) => `${who} created the cluster ${name} in the network ${network}`,
  ClusterSettingsChanged: ({ name, network, containerManager }, { who }) => {
    const changes = [
      network === undefined ? undefined : `the network ${network}`,
      containerManager === undefined ? undefined : `the container manager ${containerManager || 'none'}`,
    ]
    return `${who} gave the cluster ${name} ${changes.filter((change) => change !== undefined).join(' and ')}`
  },
  ClusterHostsReplaced: ({ name, new: hosts, operationId }, { who }) =>
    `${who} set the hosts of the cluster ${name}, ${hosts.length} from now on; operation ${operationId} carries it out`,
  ClusterDeleted: ({ name, members }, { who }) => `${who} deleted the cluster ${name}, which had ${members.length} hosts`,
  HostRegistered: ({ address, cluster }, { who }) =>
    `${who} registered the host ${address}${cluster === undefined ? '' : ` for the cluster ${cluster}`}`,
  HostJoinedCluster: ({ address, cluster }) => `the host ${address} joined the cluster ${cluster}`,
  HostLeftCluster: ({ address, cluster, reason }) => `the host ${address} left the cluster ${cluster}: ${reasons[reason]}`,
  HostKeyChanged: ({ address, oldFingerprint, newFingerprint, accepted }) =>
    `the host ${address} answered with the key ${newFingerprint} instead of ${oldFingerprint}, which was ${accepted ? 'accepted' : 'refused'}`,
  HostCredentialsRead: ({ address }, { who }) => `${who} read the private key of the host ${address}`,
  HostDeleted: ({ address }, { who }) => `${who} deleted the host ${address}`,
  NetworkCreated: ({ name, type }, { who }) => `${who} created the network ${name} of the type ${type}`,
  NetworkDeleted: ({ name }, { who }) => `${who} deleted the network ${name}`,
  ContainerManagerConfigured: ({ name, type }, { who }) => `${who} configured the container manager ${name} of the type ${type}`,
  ContainerManagerRemoved: ({ name }, { who }) => `${who} removed the container manager ${name}`,
}
