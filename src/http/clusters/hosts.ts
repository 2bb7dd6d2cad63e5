import { clusterHost } from '../../commands/clusters/cluster-host.ts'
import { openValue } from '../../commands/sealing.ts'
import { SecretForgotten } from '../../lib/errors.ts'
import type { FaceRoute } from '../faces/face.ts'
import { type HttpContext, requestContext } from '../faces/http-context.ts'
import { json } from '../replies/json.ts'
import type { Reply } from '../replies/reply.ts'
import { notFound } from './error-body.ts'
import { base } from './paths.ts'
import { hostRecord } from './records.ts'
import { type ClustersTools, queriesOf, reads } from './tools.ts'

export const unknownHost = (address: string): Reply => notFound(`Host "${address}" does not exist.`)

/** Hosts and their credentials. Source: clusters contract, rows 20, 21 and 25. */
export const hostRoutes = ({ ports, secrets }: ClustersTools): readonly FaceRoute[] => {
  const list = (c: HttpContext): Reply => json(queriesOf(c).hosts.all().map(hostRecord))

  const get: FaceRoute['handle'] = (c, { address = '' }) => {
    const found = queriesOf(c).hosts.byAddress(address)
    return found === undefined ? unknownHost(address) : json(hostRecord(found))
  }

  /** Who reads a key, of the present or of the past, is on the record before they have it. */
  const credentials: FaceRoute['handle'] = async (c, { address = '' }) => {
    const { hosts } = queriesOf(c)
    const [found, sealed] = [hosts.byAddress(address), hosts.keyOf(address)]
    if (found === undefined || sealed === undefined) return unknownHost(address)
    const key = await openValue(sealed, secrets).catch((error: unknown) => {
      if (error instanceof SecretForgotten) return null
      throw error
    })
    await ports.executor.execute(clusterHost, { type: 'RecordCredentialsRead', address }, requestContext(c))
    const { remoteUser, sshPort } = found
    return json({
      address,
      ssh_priv_key: key,
      remote_user: remoteUser,
      ...(sshPort === 22 ? {} : { ssh_port: sshPort }),
    })
  }

  return [
    { method: 'GET', path: `${base}/hosts`, reads, handle: list },
    { method: 'GET', path: `${base}/host/:address`, reads, handle: get },
    { method: 'GET', path: `${base}/host/:address/creds`, reads, handle: credentials },
  ]
}
