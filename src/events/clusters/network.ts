import { z } from 'zod'
import { anyJsonObject } from '../../lib/json-schemas.ts'
import { defineEvents, type EventOf } from '../define.ts'

/** How hosts of a cluster find their flannel. The first is the default. */
export const networkTypes = ['flannel_etcd', 'flannel_server'] as const
export type NetworkType = (typeof networkTypes)[number]

/**
 * A network, stream `clusterNetwork-<name>`. The one named `default` exists without an event. Source: clusters contract, sections 2 and 10.
 */
export const networkEvents = defineEvents('clusterNetwork', {
  NetworkCreated: z.object({ name: z.string(), type: z.enum(networkTypes), options: anyJsonObject }),
  NetworkDeleted: z.object({ name: z.string() }),
})
export type NetworkEvent = EventOf<typeof networkEvents>

/** The stream of a network is this and its name. */
export const networkPrefix = 'clusterNetwork-'

export const defaultNetworkName = 'default'
