import { z } from 'zod'
import type { JsonObject } from '../../lib/json.ts'
import { anyJsonObject } from '../../lib/json-schemas.ts'
import type { FaceRoute } from '../faces/face.ts'
import { goneSignal, type HttpContext } from '../faces/http-context.ts'
import { json } from '../replies/json.ts'
import { unknownHost } from './hosts.ts'
import { base } from './paths.ts'
import { dateOf, HostRecord } from './records.ts'
import { type ClustersTools, queriesOf, reads } from './tools.ts'

export const HostStatusRecord = z
  .object({
    type: z.literal('host_only'),
    host: HostRecord.pick({ last_check: true, status: true }),
    container_manager: anyJsonObject.meta({ description: 'What the container manager says; empty where it says nothing' }),
  })
  .meta({ id: 'ClustersHostStatus' })

/** How a host is, and what its container manager says of it. Source: clusters contract, row 26. */
export const hostStatusRoutes = ({ nodeStatus, closing }: ClustersTools): readonly FaceRoute[] => {
  /** A manager says how things are now, and is not asked of the past. */
  const askManager = async (c: HttpContext, manager: string | undefined, address: string): Promise<JsonObject> => {
    if (c.known.asOf !== null || manager === undefined || manager === '') return {}
    return nodeStatus(manager, address, AbortSignal.any([closing, goneSignal(c)])).catch(() => ({}))
  }

  const get: FaceRoute['handle'] = async (c, { address = '' }) => {
    const { clusters, hosts } = queriesOf(c)
    const host = hosts.byAddress(address)
    if (host === undefined) return unknownHost(address)
    const { cluster, status, lastCheck } = host
    const manager = cluster === null ? undefined : clusters.byName(cluster)?.manager
    return json({
      type: 'host_only',
      host: { last_check: lastCheck === null ? '' : dateOf(lastCheck), status },
      container_manager: await askManager(c, manager, address),
    })
  }

  return [{ method: 'GET', path: `${base}/host/:address/status`, reads, handle: get }]
}
