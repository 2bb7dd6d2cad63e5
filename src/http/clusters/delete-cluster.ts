import { cluster } from '../../commands/clusters/cluster.ts'
import { clusterHost } from '../../commands/clusters/cluster-host.ts'
import { unregisterRequest } from '../../commands/clusters/membership.ts'
import { operation } from '../../commands/operation.ts'
import type { FaceRoute } from '../faces/face.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import { catchUp, settle } from '../reading/event-position.ts'
import { json } from '../replies/json.ts'
import { carryOut, waitEnd } from './carry-out.ts'
import { unknownCluster } from './clusters.ts'
import { clustersError } from './error-body.ts'
import { base } from './paths.ts'
import { type ClustersTools, furtherContext, queriesOf, reads } from './tools.ts'

/** Deletes a cluster when the nodes of its members are gone from their managers; its hosts stay. Source: clusters contract, row 4. */
export const deleteClusterRoutes = (tools: ClustersTools): readonly FaceRoute[] => {
  const { ports } = tools
  const { executor } = ports

  /** What goes over its hosts ends with the host at work. */
  const cancelChanges = async (c: HttpContext, name: string): Promise<void> => {
    for (const { operation: id } of queriesOf(c).changes.unfinished(name))
      await executor.execute(
        operation,
        { type: 'CancelOperation', id, reason: `the cluster ${name} was deleted` },
        furtherContext(c, 'cancel', id),
      )
  }

  const remove: FaceRoute['handle'] = async (c, { name = '' }) => {
    const until = waitEnd(c)
    await catchUp(ports, reads)
    const { clusters, hosts } = queriesOf(c)
    if (clusters.byName(name) === undefined) return unknownCluster(name)
    const nodes = hosts
      .membersOf(name)
      .flatMap(({ address, registration, manager }) => (manager === null ? [] : [{ address, registration, manager }]))
    if (nodes.length > 0) {
      const request = unregisterRequest({ cluster: name, nodes })
      const { failure } = await carryOut(c, tools, { request, context: furtherContext(c, 'unregister'), until })
      if (failure !== undefined) return clustersError(500, failure)
    }
    const members = hosts.membersOf(name).map(({ address }) => address)
    const deleted = await executor.execute(cluster, { type: 'DeleteCluster', name, members }, requestContext(c))
    if (deleted.refused !== undefined) return unknownCluster(name)
    await cancelChanges(c, name)
    const left = await Promise.all(
      members.map((address) =>
        executor.execute(
          clusterHost,
          { type: 'LeaveCluster', address, cluster: name, reason: 'clusterDeleted' },
          furtherContext(c, 'leave', address),
        ),
      ),
    )
    const positions = [deleted, ...left].map((outcome) => (outcome.refused === undefined ? outcome.position : null))
    const position =
      positions
        .filter((position) => position !== null)
        .sort()
        .at(-1) ?? null
    caused(c, { position })
    await settle(ports, position, reads)
    return json([])
  }

  return [{ method: 'DELETE', path: `${base}/cluster/:name`, reads: [...reads, ...ports.operations.reads], handle: remove }]
}
