import { z } from 'zod'
import { cluster as clusterDecider, clusterStream } from '../../commands/clusters/cluster.ts'
import type { KnownHost } from '../../commands/clusters/investigation.ts'
import { notJoined, registerRequest } from '../../commands/clusters/membership.ts'
import { operation, operationStream } from '../../commands/operation.ts'
import { parseInstant } from '../../lib/clock.ts'
import { isSameSet } from '../../lib/same-set.ts'
import type { ClustersQueries } from '../../projections/clusters/clusters.ts'
import type { Host } from '../../projections/clusters/host-queries.ts'
import type { FaceRoute } from '../faces/face.ts'
import { type HttpContext, requestContext } from '../faces/http-context.ts'
import { catchUp } from '../reading/event-position.ts'
import { json } from '../replies/json.ts'
import type { Reply } from '../replies/reply.ts'
import { carryOut, waitEnd } from './carry-out.ts'
import { unknownCluster } from './clusters.ts'
import { clustersError } from './error-body.ts'
import { unknownHost } from './hosts.ts'
import { isReady, memberElsewhere } from './members.ts'
import { base } from './paths.ts'
import { readClustersBody } from './read-body.ts'
import { clusterWithHostset } from './records.ts'
import { type ClustersTools, furtherContext, queriesOf, reads } from './tools.ts'

export const HostsBody = z
  .object({ old: z.array(z.string()), new: z.array(z.string()) })
  .meta({ id: 'ClustersHostsBody', description: 'Both are sets: the members as the client knows them, and as they are to be' })

/** After this time an operation that was announced and never asked for will not come: its request is over. */
const announcedForMs = 60_000

/** All members of a cluster at once. Source: clusters contract, row 6, and section 10, "PUT hosts". */
export const replaceHostsRoutes = (tools: ClustersTools): readonly FaceRoute[] => {
  const { ports } = tools
  const { executor, log } = ports

  /** Whether the operation of the latest replacement has ended, or was never asked for because a server ended in between. */
  const isOver = async (c: HttpContext, name: string, replacement: string): Promise<boolean> => {
    const { state } = await executor.load(operation, operationStream(replacement))
    if (state.status !== 'absent') return !('request' in state)
    for await (const event of log.readStream(clusterStream(name), { from: 'end', backwards: true }))
      if (event.data.operationId === replacement) return c.clock.now() - parseInstant(event.recordedAt) > announcedForMs
    return true
  }

  const put: FaceRoute['handle'] = async (c, { name = '' }) => {
    const until = waitEnd(c)
    const body = await readClustersBody(c, HostsBody)
    await catchUp(ports, reads)
    const queries = queriesOf(c)
    const cluster = queries.clusters.byName(name)
    if (cluster === undefined) return unknownCluster(name)
    const members = queries.hosts.membersOf(name)
    const next = new Set(body.new)
    const additions = [...next].filter((address) => !members.some((member) => member.address === address))
    const removals = members.filter(({ address }) => !next.has(address))
    const context = requestContext(c)
    const { replacement } = cluster
    // A crash lies between the replacement and the end of this very request.
    if (replacement !== context.commandId) {
      const isFree = replacement === null || (await isOver(c, name, replacement))
      if (!isFree || !isSameSet(body.old, addressesOf(members))) return conflict(name)
      const refused = notReady(name, additions, queries)
      if (refused !== undefined) return refused
      if (additions.length + removals.length === 0) return json(clusterWithHostset(cluster, queries))
      const outcome = await executor.execute(
        clusterDecider,
        {
          type: 'ReplaceHosts',
          name,
          old: body.old,
          new: body.new,
          members: addressesOf(members),
          ended: replacement,
          operationId: context.commandId,
        },
        furtherContext(c, 'replace'),
      )
      if (outcome.refused !== undefined) return conflict(name)
    }
    const { failure, operation } = await carryOut(c, tools, {
      request: registerRequest({
        cluster: name,
        creation: cluster.creation,
        manager: cluster.manager,
        isReplacement: true,
        removals: removals.map(({ address, registration, manager }) => ({ address, registration, manager })),
        additions: additions.flatMap((address) => knownHost(queries.hosts.byAddress(address))),
      }),
      context,
      until,
    })
    if (failure === undefined) return json(clusterWithHostset(cluster, queries))
    return operation?.error?.type === notJoined ? clustersError(409, failure) : clustersError(500, failure)
  }

  const path = `${base}/cluster/:name/hosts`
  return [{ method: 'PUT', path, reads: [...reads, ...ports.operations.reads], handle: put }]
}

const addressesOf = (hosts: readonly Host[]): readonly string[] => hosts.map(({ address }) => address)

const knownHost = (host: Host | undefined): readonly KnownHost[] =>
  host === undefined ? [] : [{ address: host.address, registration: host.registration }]

const conflict = (name: string): Reply => clustersError(409, `Conflict setting hosts for cluster ${name}`)

/** Why hosts cannot be added; undefined where they can. */
const notReady = (name: string, addresses: readonly string[], { hosts }: ClustersQueries): Reply | undefined => {
  const unknown = addresses.find((address) => hosts.byAddress(address) === undefined)
  if (unknown !== undefined) return unknownHost(unknown)
  const added = addresses.flatMap((address) => hosts.byAddress(address) ?? [])
  const early = added.filter((host) => !isReady(host))
  if (early.length > 0) return clustersError(405, `Hosts not ready to join cluster "${name}": ${addressesOf(early).join(',')}`)
  const elsewhere = added.filter(({ cluster }) => cluster !== null)
  return elsewhere.length > 0 ? memberElsewhere(addressesOf(elsewhere).join(',')) : undefined
}
