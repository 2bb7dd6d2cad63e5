import { z } from 'zod'
import { type Change, changeId, changeRequest, changes } from '../../commands/clusters/change.ts'
import type { Cluster } from '../../projections/clusters/cluster-records.ts'
import type { FaceRoute } from '../faces/face.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import { catchUp, settle } from '../reading/event-position.ts'
import { json } from '../replies/json.ts'
import { Problem } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import { unknownCluster } from './clusters.ts'
import { clustersError } from './error-body.ts'
import { base } from './paths.ts'
import { readClustersBody } from './read-body.ts'
import { beginningRecord, changeRecord } from './records.ts'
import { type ClustersTools, queriesOf, reads } from './tools.ts'

const Version = z.string().min(1)
export const DeployBody = z.object({ version: Version }).meta({ id: 'ClustersDeployBody' })
/** The cluster is looked for before the version is. */
const AnyBody = z.object({ version: z.unknown().optional() })

const noVersion = clustersError(400, 'version must be a non empty string')

const tries = 5

/** Starts what goes over the hosts of a cluster. Source: clusters contract, section 5 and rows 11, 13 and 15. */
export const putChangeRoutes = ({ ports }: ClustersTools): readonly FaceRoute[] => {
  /** Of those that are asked for at the same time all have the same id, and the log takes the first one. Undefined where that is another change. */
  const begin = async (
    c: HttpContext,
    { name: cluster, creation }: Cluster,
    change: Change,
    version: string | null,
  ): Promise<Reply | undefined> => {
    const { changes, hosts } = queriesOf(c)
    const members = hosts.membersOf(cluster).map(({ address, registration }) => ({ address, registration }))
    const input = { cluster, creation, hosts: members, ...(version === null ? {} : { version }) }
    const commandId = changeId(creation, changes.latestOfAny(creation) ?? null)
    const submitted = await ports.submit(
      changeRequest(change, input),
      { ...requestContext(c), commandId, correlationId: commandId },
      { internal: true },
    )
    if (submitted.refused !== undefined) throw new Error(`the ${change} was refused: ${submitted.refused.reason}`)
    const isShown = submitted.position !== null && (await settle(ports, submitted.position, reads))
    if (!isShown) await catchUp(ports, reads)
    const queries = queriesOf(c)
    const begun = queries.changes.byOperation(commandId)
    if (begun?.change !== change || begun.version !== version) return undefined
    caused(c, { operationId: commandId, position: submitted.position })
    return json(submitted.position === null ? changeRecord(begun, queries) : beginningRecord(begun), 201)
  }

  const answerFor = async (c: HttpContext, name: string, change: Change, version: string | null): Promise<Reply> => {
    for (let count = 0; count < tries; count++) {
      const queries = queriesOf(c)
      const cluster = queries.clusters.byName(name)
      if (cluster === undefined) return unknownCluster(name)
      // The oldest one runs; behind it stand retries that were asked for through `/v1`.
      const [current] = queries.changes.unfinished(name).filter(({ creation }) => creation === cluster.creation)
      if (current !== undefined) {
        caused(c, { operationId: current.operation })
        return current.change === change && current.version === version
          ? json(changeRecord(current, queries), 201)
          : clustersError(409, `The ${current.change} of the cluster "${name}" has not ended`)
      }
      const begun = await begin(c, cluster, change, version)
      if (begun !== undefined) return begun
    }
    throw new Problem('overloaded', 'others are changing the same cluster; try again')
  }

  const put =
    (change: Change): FaceRoute['handle'] =>
    async (c, { name = '' }) => {
      const { version } = await readClustersBody(c, AnyBody)
      await catchUp(ports, reads)
      if (change !== 'deploy') return answerFor(c, name, change, null)
      if (queriesOf(c).clusters.byName(name) === undefined) return unknownCluster(name)
      const wanted = Version.safeParse(version)
      return wanted.success ? answerFor(c, name, change, wanted.data) : noVersion
    }

  return changes.map((change) => ({ method: 'PUT', path: `${base}/cluster/:name/${change}`, reads, handle: put(change) }))
}
