import { type ClusterHostRefusal, clusterHost } from '../../commands/clusters/cluster-host.ts'
import { joinCluster } from '../../commands/clusters/join-cluster.ts'
import { notJoined, registerRequest, unregisterRequest } from '../../commands/clusters/membership.ts'
import type { Cluster } from '../../projections/clusters/cluster-records.ts'
import type { Host } from '../../projections/clusters/host-queries.ts'
import type { FaceRoute } from '../faces/face.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import { catchUp, settle } from '../reading/event-position.ts'
import { json } from '../replies/json.ts'
import type { Reply } from '../replies/reply.ts'
import { carryOut, waitEnd } from './carry-out.ts'
import { unknownCluster } from './clusters.ts'
import { type ClustersAnswers, clustersError, refusal } from './error-body.ts'
import { unknownHost } from './hosts.ts'
import { base } from './paths.ts'
import { type ClustersTools, furtherContext, queriesOf, reads } from './tools.ts'

/** Whether a host may join a cluster. */
export const isReady = ({ status }: Host): boolean => status === 'active' || status === 'disassociated'

/** One host that joins or leaves. Source: clusters contract, rows 8 and 9. */
export const memberRoutes = (tools: ClustersTools): readonly FaceRoute[] => {
  const { ports } = tools
  const { executor } = ports

  /** The only way into a managed cluster: a node at its manager first. */
  const register = async (
    c: HttpContext,
    { name, creation, manager }: Cluster,
    { address, registration }: Host,
  ): Promise<Reply> => {
    const input = { cluster: name, creation, manager, isReplacement: false, removals: [], additions: [{ address, registration }] }
    const { failure, operation } = await carryOut(c, tools, {
      request: registerRequest(input),
      context: requestContext(c),
      until: waitEnd(c),
    })
    if (failure === undefined) return json([address])
    return operation?.error?.type === notJoined ? clustersError(409, failure) : clustersError(500, failure)
  }

  const join = async (c: HttpContext, { name: cluster, creation }: Cluster, { address, registration }: Host): Promise<Reply> => {
    const isCurrent = async (known: { readonly cluster: string; readonly creation: string }): Promise<boolean> => {
      await catchUp(ports, reads)
      return queriesOf(c).clusters.byName(known.cluster)?.creation === known.creation
    }
    const outcome = await joinCluster(
      { executor, isCurrent },
      { address, registration, joins: { cluster, creation }, operationId: undefined },
      requestContext(c),
    )
    if (outcome.refused !== undefined) return refusal(joinAnswers, outcome.refused, address)
    caused(c, { position: outcome.position })
    await settle(ports, outcome.position, reads)
    return json([address])
  }

  const put: FaceRoute['handle'] = async (c, { name = '', host: address = '' }) => {
    await catchUp(ports, reads)
    const { clusters, hosts } = queriesOf(c)
    const cluster = clusters.byName(name)
    if (cluster === undefined) return unknownCluster(name)
    const host = hosts.byAddress(address)
    if (host === undefined) return unknownHost(address)
    const isManaged = cluster.manager !== ''
    if (host.cluster === name) return isManaged && host.status === 'disassociated' ? register(c, cluster, host) : json([address])
    if (!isReady(host)) return clustersError(405, `Host ${address} (status: ${host.status}) not ready to join cluster "${name}"`)
    if (host.cluster !== null) return memberElsewhere(address)
    return isManaged ? register(c, cluster, host) : join(c, cluster, host)
  }

  const remove: FaceRoute['handle'] = async (c, { name = '', host: address = '' }) => {
    await catchUp(ports, reads)
    const { clusters, hosts } = queriesOf(c)
    if (clusters.byName(name) === undefined) return unknownCluster(name)
    const host = hosts.byAddress(address)
    if (host?.cluster !== name) return json([])
    const { registration, manager } = host
    if (manager !== null)
      await carryOut(c, tools, {
        request: unregisterRequest({ cluster: name, nodes: [{ address, registration, manager }] }),
        context: requestContext(c),
        until: waitEnd(c),
      })
    const left = await executor.execute(
      clusterHost,
      { type: 'LeaveCluster', address, cluster: name, reason: 'removed' },
      furtherContext(c, 'leave'),
    )
    const position = left.refused === undefined ? left.position : null
    caused(c, { position })
    await settle(ports, position, reads)
    return json([])
  }

  const path = `${base}/cluster/:name/hosts/:host`
  const routeReads = [...reads, ...ports.operations.reads]
  return [
    { method: 'PUT', path, reads: routeReads, handle: put },
    { method: 'DELETE', path, reads: routeReads, handle: remove },
  ]
}

export const memberElsewhere = (addresses: string): Reply => clustersError(409, `${addresses}: member of another cluster`)

const joinAnswers: ClustersAnswers<ClusterHostRefusal, string> = {
  'unknown-host': (_refused, address) => unknownHost(address),
  'host-changed': (_refused, address) => unknownHost(address),
  'other-key': () => {
    throw new Error('no key was compared')
  },
  'member-elsewhere': (_refused, address) => memberElsewhere(address),
}
