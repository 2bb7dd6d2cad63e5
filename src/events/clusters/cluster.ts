import { z } from 'zod'
import { defineEvents, type EventOf } from '../define.ts'

/**
 * A cluster, stream `cluster-<name>`. A name that was deleted may come back: the id of its `ClusterCreated` tells one creation from another.
 * Who its members are is said by the streams of the hosts. Source: clusters contract, section 10.
 */
export const clusterEvents = defineEvents('cluster', {
  /** `containerManager` is the name of a configuration, which need not exist; empty: none. */
  ClusterCreated: z.object({ name: z.string(), network: z.string(), containerManager: z.string() }),
  /** The members that changed. */
  ClusterSettingsChanged: z.object({
    name: z.string(),
    network: z.string().optional(),
    containerManager: z.string().optional(),
  }),
  /** Accepted, not done: the operation takes out the hosts of `old` that are not in `new`, then takes in the others. */
  ClusterHostsReplaced: z.object({
    name: z.string(),
    old: z.array(z.string()),
    new: z.array(z.string()),
    operationId: z.string(),
  }),
  /** Its members are none from here on; a `HostLeftCluster` of each follows. */
  ClusterDeleted: z.object({ name: z.string(), members: z.array(z.string()) }),
})
export type ClusterEvent = EventOf<typeof clusterEvents>

/** The stream of a cluster is this and its name. */
export const clusterPrefix = 'cluster-'
