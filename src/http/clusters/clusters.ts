import { z } from 'zod'
import { type Change, changes } from '../../commands/clusters/change.ts'
import { cluster } from '../../commands/clusters/cluster.ts'
import { defaultNetworkName } from '../../events/clusters/network.ts'
import type { FaceRoute } from '../faces/face.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import { catchUp, settle } from '../reading/event-position.ts'
import { json } from '../replies/json.ts'
import type { Reply } from '../replies/reply.ts'
import { notFound } from './error-body.ts'
import { base } from './paths.ts'
import { readClustersBody } from './read-body.ts'
import { changeRecord, clusterRecord, clusterWithHosts } from './records.ts'
import { type ClustersTools, queriesOf, reads } from './tools.ts'

/** A network that is not a text counts as unknown. */
export const ClusterBody = z
  .object({ network: z.unknown().optional(), container_manager: z.string().optional() })
  .meta({ id: 'ClustersClusterBody' })

export const unknownCluster = (name: string): Reply => notFound(`Cluster "${name}" does not exist.`)

/** Clusters, their members and what goes over them. Source: clusters contract, rows 1 to 3, 5, 7, 10, 12 and 14. */
export const clusterRoutes = ({ ports }: ClustersTools): readonly FaceRoute[] => {
  const list = (c: HttpContext): Reply => json(queriesOf(c).clusters.names())

  const get: FaceRoute['handle'] = (c, { name = '' }) => {
    const queries = queriesOf(c)
    const found = queries.clusters.byName(name)
    return found === undefined ? unknownCluster(name) : json(clusterWithHosts(found, queries))
  }

  const put: FaceRoute['handle'] = async (c, { name = '' }) => {
    const { network, container_manager: containerManager } = await readClustersBody(c, ClusterBody)
    const { clusters, networks } = queriesOf(c)
    const isKnown = (): boolean => typeof network === 'string' && networks.byName(network) !== undefined
    // Another node may have just created it.
    if (network !== undefined && !isKnown()) await catchUp(ports, reads)
    const outcome = await ports.executor.execute(
      cluster,
      {
        type: 'ConfigureCluster',
        name,
        network: network === undefined || isKnown() ? (network as string | undefined) : defaultNetworkName,
        containerManager,
      },
      requestContext(c),
    )
    if (outcome.refused !== undefined || outcome.state.status === 'absent') throw new Error(`cluster ${name} was not configured`)
    caused(c, { position: outcome.position })
    await settle(ports, outcome.position, reads)
    const { state } = outcome
    const settings = { name, network: state.network, manager: state.containerManager }
    return json(clusterRecord(settings, clusters.counts(name)), 201)
  }

  const members: FaceRoute['handle'] = (c, { name = '' }) => {
    const { clusters, hosts } = queriesOf(c)
    if (clusters.byName(name) === undefined) return unknownCluster(name)
    return json(hosts.addressesOf(name))
  }

  const member: FaceRoute['handle'] = (c, { name = '', host = '' }) => {
    const { clusters, hosts } = queriesOf(c)
    if (clusters.byName(name) === undefined) return unknownCluster(name)
    return hosts.byAddress(host)?.cluster === name ? json([host]) : notFound('The requested host is not part of the cluster.')
  }

  const latest =
    (change: Change): FaceRoute['handle'] =>
    (c, { name = '' }) => {
      const queries = queriesOf(c)
      const found = queries.clusters.byName(name)
      if (found === undefined) return unknownCluster(name)
      const record = queries.changes.latest(found.creation, change)
      return record === undefined ? notFound(`Cluster "${name}" has had no ${change} yet.`) : json(changeRecord(record, queries))
    }

  return [
    { method: 'GET', path: `${base}/clusters`, reads, handle: list },
    { method: 'GET', path: `${base}/cluster`, reads, handle: list },
    { method: 'GET', path: `${base}/cluster/:name`, reads, handle: get },
    { method: 'PUT', path: `${base}/cluster/:name`, reads, handle: put },
    { method: 'GET', path: `${base}/cluster/:name/hosts`, reads, handle: members },
    { method: 'GET', path: `${base}/cluster/:name/hosts/:host`, reads, handle: member },
    ...changes.map((change) => ({ method: 'GET', path: `${base}/cluster/:name/${change}`, reads, handle: latest(change) })),
  ]
}
