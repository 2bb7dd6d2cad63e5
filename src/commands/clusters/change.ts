import { z } from 'zod'
import { parseInstant } from '../../lib/clock.ts'
import { derivedIdAt } from '../../lib/ids.ts'
import type { SubmitRequest } from '../submit.ts'
import { KnownHost } from './investigation.ts'

/** What a cluster's hosts go through one after the other. Source: clusters contract, sections 5, 6.5 and 10. */
export const changes = ['deploy', 'upgrade', 'restart'] as const
export type Change = (typeof changes)[number]

export const changeKind = <Name extends Change>(change: Name): `clusters.${Name}` => `clusters.${change}`

/** Operations of this lane: changes of one creation of the cluster, one at a time. */
export const clusterLane = (cluster: string): string => `cluster:${cluster}`

export const ChangeInput = z.strictObject({
  cluster: z.string(),
  /** The id of the cluster's `ClusterCreated`. */
  creation: z.string(),
  /** The members as of the request, in the order in which they joined; the targets are their addresses. */
  hosts: z.array(KnownHost),
})
export type ChangeInput = z.infer<typeof ChangeInput>

export const DeployInput = ChangeInput.extend({ version: z.string().min(1) })
export type DeployInput = z.infer<typeof DeployInput>

/** Result of a target: the host was reached. */
export const HostChanged = z.object({ os: z.string().optional() })
export type HostChanged = z.infer<typeof HostChanged>

/**
 * The next change of a creation of a cluster, behind `previous`: whoever asks for one then, it is one operation. `previous` is the latest one, which has ended;
 * null where there was none. Times are RFC 3339.
 */
export const changeId = (
  creation: string,
  previous: { readonly operation: string; readonly finishedAt: string | null } | null,
): string => derivedIdAt(timeAfter(creation, previous?.finishedAt), 'clusters.change', creation, previous?.operation ?? '')

/** The id of an event begins with its time. */
const timeAfter = (creation: string, finishedAt: string | null | undefined): number =>
  finishedAt == null ? Number.parseInt(creation.replaceAll('-', '').slice(0, 12), 16) || 0 : parseInstant(finishedAt)

/** `from` cannot name targets of an empty list, so the names themselves stand in the request. */
export const changeRequest = (change: Change, input: ChangeInput | DeployInput): SubmitRequest => ({
  kind: changeKind(change),
  input,
  lane: clusterLane(input.cluster),
  targets: { names: input.hosts.map(({ address }) => address) },
  face: 'clusters',
})
