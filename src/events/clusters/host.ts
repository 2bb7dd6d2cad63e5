import { z } from 'zod'
import { defineEvents, type EventOf } from '../define.ts'
import { sealed } from '../sealed.ts'

/** Why a host is no longer a member. */
export const leaveReasons = ['removed', 'replaced', 'hostDeleted', 'clusterDeleted'] as const
export type LeaveReason = (typeof leaveReasons)[number]

/**
 * A host, stream `clusterHost-<address>`. An address that was deleted may come back: the id of its `HostRegistered` tells one registration
 * from another, and the host's secrets have the subject `hostSubject`. Its status and facts are folded from the steps and outcomes of
 * operations. Source: clusters contract, section 10.
 */
export const hostEvents = defineEvents('clusterHost', {
  HostRegistered: z.object({
    address: z.string(),
    remoteUser: z.string(),
    sshPort: z.number().int(),
    /** A `HostJoinedCluster` in the same append says the rest. */
    cluster: z.string().optional(),
    /** The name of an external store; kept and shown, otherwise unused. */
    source: z.string(),
    /** Whether it is the address that the request came from: such a host may not answer yet. */
    inferredAddress: z.boolean(),
    /** The private key as it was received; empty where none was. */
    key: sealed(),
    keyDigest: z.string(),
  }),
  /** `creation` is the id of the cluster's `ClusterCreated`, `operationId` the operation that registered it. */
  HostJoinedCluster: z.object({
    address: z.string(),
    cluster: z.string(),
    creation: z.string(),
    operationId: z.string().optional(),
  }),
  HostLeftCluster: z.object({ address: z.string(), cluster: z.string(), reason: z.enum(leaveReasons) }),
  /** The host answered with another key than the remembered one, which `accepted` makes the remembered one. Once for each new key. */
  HostKeyChanged: z.object({
    address: z.string(),
    oldFingerprint: z.string(),
    newFingerprint: z.string(),
    accepted: z.boolean(),
  }),
  /** Somebody was given the private key. */
  HostCredentialsRead: z.object({ address: z.string() }),
  HostDeleted: z.object({ address: z.string(), cluster: z.string().optional() }),
})
export type HostEvent = EventOf<typeof hostEvents>

/** The stream of a host is this and its address. */
export const hostPrefix = 'clusterHost-'

/** Whose secrets the key of a host is, by the id of its `HostRegistered`. */
export const hostSubject = (registration: string): string => `clusterHost-${registration}`
