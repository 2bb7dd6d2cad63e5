import { z } from 'zod'
import type { JsonObject } from '../../lib/json.ts'
import { anyJsonObject } from '../../lib/json-schemas.ts'
import { defineEvents, type EventOf } from '../define.ts'
import type { SealedValue } from '../sealed.ts'

/** What runs containers on the hosts of a cluster. The first is the default. */
export const managerTypes = ['openshift', 'trivial', 'kubernetes'] as const
export type ManagerType = (typeof managerTypes)[number]

/** As it was received, but for `token`, which is sealed for `managerSubject`. */
export type ManagerOptions = JsonObject & { readonly token?: SealedValue }
const ManagerOptions = anyJsonObject.meta({ type: 'object', sealed: true }) as z.ZodType<ManagerOptions>

/**
 * The configuration of a container manager, stream `clusterManager-<name>`. Source: clusters contract, sections 2 and 10.
 */
export const managerEvents = defineEvents('clusterManager', {
  ContainerManagerConfigured: z.object({
    name: z.string(),
    type: z.enum(managerTypes),
    options: ManagerOptions,
    /** Null without a token. */
    tokenDigest: z.string().nullable(),
  }),
  ContainerManagerRemoved: z.object({ name: z.string() }),
})
export type ManagerEvent = EventOf<typeof managerEvents>

/** The stream of a container manager is this and its name. */
export const managerPrefix = 'clusterManager-'

/** Whose secret the token of a configuration is, by the id of its `ContainerManagerConfigured`. */
export const managerSubject = (configuration: string): string => `clusterManager-${configuration}`
