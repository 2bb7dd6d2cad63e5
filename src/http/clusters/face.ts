import type { ClustersSettings } from '../../commands/clusters/settings.ts'
import { Unacceptable } from '../../lib/errors.ts'
import type { Face, FaceRoute } from '../faces/face.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { createChanges } from '../reading/view-changes.ts'
import { Problem } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import type { Authentication } from './authenticators/authenticators.ts'
import { clusterRoutes } from './clusters.ts'
import { containerManagerRoutes } from './container-managers.ts'
import { deleteClusterRoutes } from './delete-cluster.ts'
import { deleteHostRoutes } from './delete-host.ts'
import { clustersDocuments } from './documents.ts'
import { clustersError, reasonHeader } from './error-body.ts'
import { hostStatusRoutes } from './host-status.ts'
import { hostRoutes } from './hosts.ts'
import { memberRoutes } from './members.ts'
import { networkRoutes } from './networks.ts'
import { base, noRoute, withPatterns } from './paths.ts'
import { putChangeRoutes } from './put-change.ts'
import { putHostRoutes } from './put-host.ts'
import { replaceHostsRoutes } from './replace-hosts.ts'
import { clustersSummaries } from './summaries.ts'
import type { ClustersTools } from './tools.ts'

/** Commissaire's API, `/api/v0/…`. */
export const createClustersFace = ({
  ports,
  settings,
  secrets,
  nodeStatus,
  authentication,
}: {
  readonly ports: HttpPorts
  readonly settings: ClustersSettings
  readonly authentication: Pick<Authentication, 'authenticate'>
} & Pick<ClustersTools, 'secrets' | 'nodeStatus'>): Face => {
  const closing = new AbortController()
  const changes = createChanges(ports)
  const tools = { ports, settings, secrets, nodeStatus, changes, closing: closing.signal }
  return {
    name: 'clusters',
    owns: (path) => path === base || path.startsWith(`${base}/`),
    pathOf: (path) => (path.endsWith('/') ? path.slice(0, -1) : path),
    routes: rooms.flatMap((routesOf) => routesOf(tools)).map(withPatterns),
    head: 'none',
    access: (method) => (method === 'GET' ? 'read' : 'write'),
    authenticate: authentication.authenticate,
    answered: (_c, reply) => (ports.settings.extraHeaders ? reply : withoutReason(reply)),
    close: () => {
      closing.abort()
      changes.close()
    },
    notFound: noRoute,
    methodNotAllowed: noRoute,
    unauthorised: (_c, reason, scope) =>
      clustersError(403, reason === 'forbidden' ? `the scope ${scope} is missing` : 'credentials are missing or wrong'),
    failed: (_c, error) => failed(error),
    summaries: clustersSummaries,
    documents: clustersDocuments,
  }
}

const rooms: readonly ((tools: ClustersTools) => readonly FaceRoute[])[] = [
  clusterRoutes,
  deleteClusterRoutes,
  replaceHostsRoutes,
  memberRoutes,
  putChangeRoutes,
  hostRoutes,
  hostStatusRoutes,
  deleteHostRoutes,
  putHostRoutes,
  networkRoutes,
  containerManagerRoutes,
]

const withoutReason = (reply: Reply): Reply => {
  const { [reasonHeader]: _, ...headers } = reply.headers
  return { ...reply, headers }
}

/** A store that does not answer is an internal failure to clients of this face. */
const failed = (error: unknown): Reply => {
  if (error instanceof Unacceptable) return clustersError(413, error.message)
  if (!(error instanceof Problem)) return clustersError(500, 'the server failed')
  const { status, message, details } = error
  return clustersError(status, message, { ...(status === 503 ? { 'Retry-After': '1' } : {}), ...details.headers })
}
