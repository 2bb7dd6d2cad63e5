import { z } from 'zod'
import { clusterHost, hostStream } from '../../commands/clusters/cluster-host.ts'
import { investigationId, investigationRequest } from '../../commands/clusters/investigation.ts'
import { hostSubject } from '../../events/clusters/host.ts'
import { eventId } from '../../lib/ids.ts'
import type { FaceRoute } from '../faces/face.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import { catchUp, settle } from '../reading/event-position.ts'
import { json } from '../replies/json.ts'
import type { Reply } from '../replies/reply.ts'
import { clustersError } from './error-body.ts'
import { base, isAddress } from './paths.ts'
import { readClustersBody } from './read-body.ts'
import { hostRecord, newHostRecord } from './records.ts'
import { type ClustersTools, furtherContext, queriesOf, reads } from './tools.ts'
import { untilUnchanged } from './until-unchanged.ts'

const members = {
  ssh_priv_key: z.string().default('').meta({ description: 'Base64 of a private key in PEM or OpenSSH form' }),
  remote_user: z.string().default('root'),
  cluster: z.string().default(''),
  source: z.string().default(''),
  ssh_port: z.int().min(1).max(65_535).default(22),
}
export const HostBody = z.object(members).meta({ id: 'ClustersHostBody' })
export const OwnHostBody = z.object({ address: z.string().default(''), ...members }).meta({ id: 'ClustersOwnHostBody' })
type HostBody = z.output<typeof HostBody>

const conflict = {
  unknownCluster: clustersError(409, 'Cluster does not exist'),
  exists: clustersError(409, 'Host already exists'),
  notMember: clustersError(409, 'Host not in cluster'),
}
const noAddress = clustersError(400, '"address" must be given in the url or in the PUT body')

/** Registers hosts. Source: clusters contract, rows 22 and 23. */
export const putHostRoutes = (tools: ClustersTools): readonly FaceRoute[] => {
  const { ports, secrets } = tools
  const { executor } = ports

  const register = async (c: HttpContext, address: string, host: HostBody, inferredAddress: boolean) => {
    const context = requestContext(c)
    const subject = hostSubject(eventId(context.commandId, 0))
    const { ssh_priv_key, remote_user: remoteUser, ssh_port: sshPort, source, cluster } = host
    const key = await ports.seal(subject, ssh_priv_key)
    const keyDigest = await secrets.digest(subject, ssh_priv_key)
    const { creation } = queriesOf(c).clusters.byName(cluster) ?? {}
    const joins = creation === undefined ? undefined : { cluster, creation }
    return executor.execute(
      clusterHost,
      { type: 'RegisterHost', address, remoteUser, sshPort, source, inferredAddress, key, keyDigest, joins },
      context,
    )
  }

  const confirm = async (c: HttpContext, address: string, { ssh_priv_key }: HostBody, registration: string) => {
    const keyDigest = await secrets.digest(hostSubject(registration), ssh_priv_key)
    return executor.execute(clusterHost, { type: 'ConfirmHost', address, registration, keyDigest }, requestContext(c))
  }

  /** A host that has failed, or that nobody looks at, is investigated; for the same reason once, whoever asks. */
  const investigate = async (c: HttpContext, address: string): Promise<void> => {
    const host = queriesOf(c).hosts.byAddress(address)
    if (host === undefined) return
    if (host.failure === null && host.investigation !== null) return caused(c, { operationId: host.investigation })
    const submitted = await ports.submit(
      investigationRequest(host),
      { ...furtherContext(c), commandId: investigationId(host) },
      { internal: true },
    )
    if (submitted.refused !== undefined) throw new Error(`the investigation was refused: ${submitted.refused.reason}`)
    caused(c, { operationId: submitted.operationId, position: submitted.position })
    // Somebody else has just asked for it.
    if (submitted.position === null) await catchUp(ports, reads)
    else await settle(ports, submitted.position, reads)
  }

  const put = async (c: HttpContext, address: string, host: HostBody, inferredAddress: boolean): Promise<Reply> => {
    const { cluster } = host
    const isThere = (): boolean => cluster === '' || queriesOf(c).clusters.byName(cluster) !== undefined
    // Another node may have just created it.
    if (!isThere()) await catchUp(ports, reads)
    if (!isThere()) return conflict.unknownCluster
    const outcome = await untilUnchanged(['host-changed', 'unknown-host'], async () => {
      const { state } = await executor.load(clusterHost, hostStream(address))
      return state.status === 'absent'
        ? register(c, address, host, inferredAddress)
        : confirm(c, address, host, state.registration)
    })
    if (outcome.refused !== undefined) return conflict.exists
    caused(c, { position: outcome.position })
    const isNew = outcome.position !== null
    if (isNew) await settle(ports, outcome.position, reads)
    // Another node may have changed the host last.
    else await catchUp(ports, reads)
    if (!isNew && cluster !== '' && queriesOf(c).hosts.byAddress(address)?.cluster !== cluster) return conflict.notMember
    await investigate(c, address)
    const known = queriesOf(c).hosts.byAddress(address)
    return json(isNew || known === undefined ? newHostRecord(address, host.source) : hostRecord(known), 201)
  }

  const putOwn = async (c: HttpContext): Promise<Reply> => {
    const { address, ...host } = await readClustersBody(c, OwnHostBody)
    const named = address === '' ? c.clientAddress(c) : address
    return named === null || !isAddress(named) ? noAddress : put(c, named, host, true)
  }

  return [
    {
      method: 'PUT',
      path: `${base}/host/:address`,
      reads,
      handle: async (c, { address = '' }) => put(c, address, await readClustersBody(c, HostBody), false),
    },
    { method: 'PUT', path: `${base}/host`, reads, handle: putOwn },
  ]
}
