import type { ClustersSettings } from '../../commands/clusters/settings.ts'
import type { CommandContext } from '../../commands/execute.ts'
import { derivedId } from '../../lib/ids.ts'
import type { JsonObject } from '../../lib/json.ts'
import { type ClustersQueries, clustersQueries, clustersView } from '../../projections/clusters/clusters.ts'
import type { Secrets } from '../../stores/secrets.ts'
import { type HttpContext, requestContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import type { Changes } from '../reading/view-changes.ts'

/** Asks a container manager, by the name of its configuration, what it says of a node. Rejects where it says nothing. */
export type NodeStatus = (manager: string, address: string, signal: AbortSignal) => Promise<JsonObject>

/** What routes of this face are made of. */
export interface ClustersTools {
  readonly ports: HttpPorts
  readonly settings: ClustersSettings
  /** Only the credentials of a host and the token of a container manager are opened, by the routes that show them. */
  readonly secrets: Pick<Secrets, 'digest' | 'open'>
  readonly nodeStatus: NodeStatus
  readonly changes: Changes
  /** Aborts when the server goes down: whatever waits answers then. */
  readonly closing: AbortSignal
}

/** The views that routes of this face read. */
export const reads = [clustersView]

/** What a request may know of clusters and hosts. */
export const queriesOf = ({ known }: Pick<HttpContext, 'known'>): ClustersQueries => clustersQueries(known.views(clustersView))

/** The context of one more command of a request, caused by its first; the same for the same `word` where the request is repeated. */
export const furtherContext = (c: HttpContext, ...word: readonly string[]): CommandContext => {
  const context = requestContext(c)
  return { ...context, commandId: derivedId(context.commandId, ...word), causationId: context.commandId }
}
