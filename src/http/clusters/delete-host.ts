import { clusterHost } from '../../commands/clusters/cluster-host.ts'
import { unregisterRequest } from '../../commands/clusters/membership.ts'
import { operation } from '../../commands/operation.ts'
import { hostSubject } from '../../events/clusters/host.ts'
import type { Host } from '../../projections/clusters/host-queries.ts'
import type { FaceRoute } from '../faces/face.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import { catchUp, settle } from '../reading/event-position.ts'
import { hasEnded, waitForOperation } from '../reading/operation-wait.ts'
import { json } from '../replies/json.ts'
import { carryOut, waitEnd } from './carry-out.ts'
import { unknownHost } from './hosts.ts'
import { base } from './paths.ts'
import { type ClustersTools, furtherContext, queriesOf, reads } from './tools.ts'

/** How long the investigation of a host that is deleted gets to end. */
const endsWithinMs = 3_000

/** Deletes a host with its key, its node and its membership. Source: clusters contract, row 24. */
export const deleteHostRoutes = (tools: ClustersTools): readonly FaceRoute[] => {
  const { ports } = tools
  const { executor } = ports

  /** Nothing registers a node behind the removal. Answers the operations that still hold the key. */
  const endInvestigation = async (c: HttpContext, { address, investigation: id }: Host): Promise<readonly string[]> => {
    if (id === null) return []
    await settle(ports, await ports.log.head())
    const known = ports.operations(c.known).byId(id)
    if (known === undefined || hasEnded(known)) return []
    const reason = `the host ${address} was deleted`
    await executor.execute(operation, { type: 'CancelOperation', id, reason }, furtherContext(c, 'cancel'))
    const ended = await waitForOperation(c, tools, { id, timeoutMs: endsWithinMs })
    await catchUp(ports, reads)
    return ended === undefined || hasEnded(ended) ? [] : [id]
  }

  const remove: FaceRoute['handle'] = async (c, { address = '' }) => {
    const until = waitEnd(c)
    await catchUp(ports, reads)
    const { hosts } = queriesOf(c)
    const host = hosts.byAddress(address)
    if (host === undefined) return unknownHost(address)
    const { registration } = host
    const running = await endInvestigation(c, host)
    const { manager = null, cluster = null } = hosts.byAddress(address) ?? {}
    if (manager !== null) {
      const request = unregisterRequest({ cluster: cluster ?? '', nodes: [{ address, registration, manager }] })
      // A refusal is on the record of the operation, and no reason to keep the host.
      await carryOut(c, tools, { request, context: furtherContext(c, 'unregister'), until })
    }
    // The key is forgotten first: where this breaks off, the next request finds the host and goes on.
    await ports.forget(hostSubject(registration), { events: 1, running }, furtherContext(c, 'forget'))
    const deleted = await executor.execute(clusterHost, { type: 'DeleteHost', address, registration }, requestContext(c))
    if (deleted.refused !== undefined) return unknownHost(address)
    caused(c, { position: deleted.position })
    await settle(ports, deleted.position, reads)
    return json([])
  }

  return [{ method: 'DELETE', path: `${base}/host/:address`, reads: [...reads, ...ports.operations.reads], handle: remove }]
}
