import { expect } from 'vitest'
import type { KnownHost } from '../../../src/commands/clusters/investigation.ts'
import { nodeStep } from '../../../src/commands/clusters/membership.ts'
import { newId } from '../../../src/lib/ids.ts'
import type { JsonObject } from '../../../src/lib/json.ts'
import { clusters, clustersQueries, clustersView } from '../../../src/projections/clusters/clusters.ts'
import { append, event, openLog, openViews, requested } from '../harness.ts'

/** A view of clusters, and a log to which a test writes what happens. */
export const openClusters = async () => {
  const log = await openLog()
  const projections = await openViews(log, [clusters])

  /** Appends in one go; the id of the first event. */
  const record = async (stream: string, ...happened: readonly (readonly [type: string, data: JsonObject])[]): Promise<string> => {
    const events = happened.map(([type, data]) => event(type, data))
    const { position } = await log.append(stream, 'any', events)
    expect(await projections.reached(position)).toBe(true)
    return events[0]?.id ?? expect.unreachable()
  }

  const tell = async (operation: string, type: string, data: JsonObject): Promise<string> => {
    const told = event(type, data)
    expect(await projections.reached(await append(log, operation, told))).toBe(true)
    return told.id
  }

  return {
    ...clustersQueries(projections.views(clustersView)),
    record,
    tell,
    cluster: (name: string, containerManager = '') =>
      record(`cluster-${name}`, ['ClusterCreated', { name, network: 'default', containerManager }]),
    deleteCluster: (name: string) => record(`cluster-${name}`, ['ClusterDeleted', { name, members: [] }]),
    host: async (address: string): Promise<KnownHost> => {
      const data = { address, remoteUser: 'root', sshPort: 22, source: '', inferredAddress: false, keyDigest: '' }
      const key = { $sealed: 'v1.x', subject: 'clusterHost-x' }
      return { address, registration: await record(`clusterHost-${address}`, ['HostRegistered', { ...data, key }]) }
    },
    join: ({ address }: KnownHost, cluster: string, creation: string) =>
      record(`clusterHost-${address}`, ['HostJoinedCluster', { address, cluster, creation }]),
    leave: ({ address }: KnownHost, cluster: string) =>
      record(`clusterHost-${address}`, ['HostLeftCluster', { address, cluster, reason: 'removed' }]),
    request: async (kind: string, input: JsonObject, more: object = {}): Promise<string> => {
      const id = newId()
      expect(await projections.reached(await append(log, id, requested({ kind, input: input as never, ...more })))).toBe(true)
      return id
    },
    step: (operation: string, name: string, result: JsonObject) =>
      tell(operation, 'OperationProgressed', {
        ...{ attempt: 1, phase: null, fraction: null, detail: null },
        step: { name, result },
      }),
    node: (operation: string, host: KnownHost, manager: string, wanted: 'registered' | 'gone', done = true) =>
      tell(operation, 'OperationProgressed', {
        ...{ attempt: 1, phase: null, fraction: null, detail: null },
        step: { name: nodeStep({ wanted, address: host.address }), result: { ...host, manager, wanted, done } },
      }),
    succeed: (operation: string, result: JsonObject = {}) => tell(operation, 'OperationSucceeded', { attempt: 1, result }),
    fail: (operation: string, type = 'connect') =>
      tell(operation, 'OperationFailed', { attempt: 1, error: { type, message: 'no', retryable: false } }),
  }
}

export type Clusters = Awaited<ReturnType<typeof openClusters>>

export const facts = { os: 'fedora', cpus: 2, memory: 2048, space: 4096 }

/** Investigates a host to its end: it is ready, and registered at a manager where one is named. */
export const investigate = async (it: Clusters, host: KnownHost, manager?: string): Promise<string> => {
  const operation = await it.request('clusters.investigate', { ...host })
  await it.step(operation, 'connect', { fingerprint: 'SHA256:a' })
  await it.step(operation, 'facts', facts)
  if (manager !== undefined) await it.node(operation, host, manager, 'registered')
  await it.succeed(operation, { status: manager === undefined ? 'disassociated' : 'active' })
  return operation
}
