import { z } from 'zod'
import { type ClusterNetworkRefusal, clusterNetwork } from '../../commands/clusters/cluster-network.ts'
import { networkTypes } from '../../events/clusters/network.ts'
import { anyJsonObject } from '../../lib/json-schemas.ts'
import type { FaceRoute } from '../faces/face.ts'
import { caused, requestContext } from '../faces/http-context.ts'
import { settle } from '../reading/event-position.ts'
import { json } from '../replies/json.ts'
import { type ClustersAnswers, clustersError, notFound, refusal } from './error-body.ts'
import { base } from './paths.ts'
import { readClustersBody } from './read-body.ts'
import { type ClustersTools, queriesOf, reads } from './tools.ts'

export const NetworkBody = z
  .object({ type: z.enum(networkTypes).default('flannel_etcd'), options: anyJsonObject.optional() })
  .meta({ id: 'ClustersNetworkBody' })

const answers: ClustersAnswers<ClusterNetworkRefusal, string> = {
  'unknown-network': (_, name) => notFound(`Network "${name}" does not exist.`),
  'network-exists': clustersError(409, 'A network with that name already exists.'),
}

/** Networks. Source: clusters contract, rows 27 to 30. */
export const networkRoutes = ({ ports }: ClustersTools): readonly FaceRoute[] => {
  const get: FaceRoute['handle'] = (c, { name = '' }) => {
    const found = queriesOf(c).networks.byName(name)
    return found === undefined ? refusal(answers, { reason: 'unknown-network' }, name) : json(found)
  }

  const put: FaceRoute['handle'] = async (c, { name = '' }) => {
    const { type, options = {} } = await readClustersBody(c, NetworkBody)
    const outcome = await ports.executor.execute(
      clusterNetwork,
      { type: 'CreateNetwork', name, network: { type, options } },
      requestContext(c),
    )
    if (outcome.refused !== undefined) return refusal(answers, outcome.refused, name)
    caused(c, { position: outcome.position })
    await settle(ports, outcome.position, reads)
    return json({ name, type, options }, 201)
  }

  const remove: FaceRoute['handle'] = async (c, { name = '' }) => {
    const outcome = await ports.executor.execute(clusterNetwork, { type: 'DeleteNetwork', name }, requestContext(c))
    if (outcome.refused !== undefined) return refusal(answers, outcome.refused, name)
    caused(c, { position: outcome.position })
    await settle(ports, outcome.position, reads)
    return json([])
  }

  return [
    { method: 'GET', path: `${base}/networks`, reads, handle: (c) => json(queriesOf(c).networks.names()) },
    { method: 'GET', path: `${base}/network/:name`, reads, handle: get },
    { method: 'PUT', path: `${base}/network/:name`, reads, handle: put },
    { method: 'DELETE', path: `${base}/network/:name`, reads, handle: remove },
  ]
}
