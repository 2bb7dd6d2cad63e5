import { z } from 'zod'
import type { SubmitRequest } from '../submit.ts'
import { KnownHost } from './investigation.ts'

/** Takes hosts out of a cluster and into it, with their nodes at its container manager. Source: clusters contract, section 10. */
export const registerKind = 'clusters.register'
/** Removes nodes from the container managers where they are registered. */
export const unregisterKind = 'clusters.unregister'

/** Changes of the members of a cluster. */
export const membersLane = (cluster: string): string => `members:${cluster}`

/** A host with the container manager where it is registered; null where it is not. */
const RegisteredHost = KnownHost.extend({ manager: z.string().nullable() })
export type RegisteredHost = z.infer<typeof RegisteredHost>

export const RegisterInput = z.strictObject({
  cluster: z.string(),
  /** The id of the cluster's `ClusterCreated`. */
  creation: z.string(),
  /** The container manager of the cluster; empty: none, and hosts join without a registration. */
  manager: z.string(),
  /** Whether a `ClusterHostsReplaced` names this operation: without one that is the latest nothing is done. */
  isReplacement: z.boolean(),
  /** These leave first (`HostLeftCluster` with the reason `replaced`); a manager that fails stops nothing. */
  removals: z.array(RegisteredHost),
  /** These are registered and join, in this order; the first one that is refused ends it. Members are only registered. */
  additions: z.array(KnownHost),
})
export type RegisterInput = z.infer<typeof RegisterInput>

export const UnregisterInput = z.strictObject({
  cluster: z.string(),
  nodes: z.array(KnownHost.extend({ manager: z.string() })),
  /** Nodes whose registration was given up, and may have come through all the same: those that count as registered by now are left alone. */
  isUndo: z.boolean().optional(),
})
export type UnregisterInput = z.infer<typeof UnregisterInput>

/**
 * Result of the recorded step `nodeStep`: what became of a host's node at a container manager. Where it was not `done`, the manager
 * refused: a registration left no node, a removal left the node that was there.
 */
export const NodeChange = z.object({
  address: z.string(),
  registration: z.string(),
  manager: z.string(),
  wanted: z.enum(['registered', 'gone']),
  done: z.boolean(),
  /** What the manager said where it did not do it. */
  message: z.string().optional(),
})
export type NodeChange = z.infer<typeof NodeChange>

/** The name of the recorded step of a registration or its removal, in any kind of this face. */
export const nodeStep = ({ wanted, address }: Pick<NodeChange, 'wanted' | 'address'>): string =>
  `${wanted === 'registered' ? 'register' : 'unregister'}: ${address}`

/** Result of both kinds: what was done, in order. */
export const MembershipOutcome = z.object({ nodes: z.array(NodeChange) })
export type MembershipOutcome = z.infer<typeof MembershipOutcome>

/** The type of the error of a registration where a host could not become a member: it is one elsewhere, or gone. */
export const notJoined = 'not-joined'

export const registerRequest = (input: RegisterInput): SubmitRequest => ({
  kind: registerKind,
  input,
  lane: membersLane(input.cluster),
  face: 'clusters',
})

export const unregisterRequest = (input: UnregisterInput): SubmitRequest => ({
  kind: unregisterKind,
  input,
  lane: membersLane(input.cluster),
  face: 'clusters',
})
