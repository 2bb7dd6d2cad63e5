import { z } from 'zod'
import { managerTypes } from '../../events/clusters/manager.ts'
import { networkTypes } from '../../events/clusters/network.ts'
import type { JsonValue } from '../../lib/json.ts'
import { anyJsonObject } from '../../lib/json-schemas.ts'
import type { ClusterChange } from '../../projections/clusters/changes.ts'
import type { Cluster, MemberCounts } from '../../projections/clusters/cluster-records.ts'
import type { ClustersQueries } from '../../projections/clusters/clusters.ts'
import type { Host } from '../../projections/clusters/host-queries.ts'

/** The records of this face as answers show them. Source: clusters contract, section 2. */

/** An instant as this face writes it: UTC, six digits after the second, no zone. */
export const dateOf = (instant: string): string =>
  instant.replace(/(?:\.(\d{1,6})\d*)?Z$/, (_, digits = '') => `.${digits.padEnd(6, '0')}`)

const date = z.string().meta({ example: '2026-12-01T05:27:00.123000' })

export const HostRecord = z
  .object({
    address: z.string(),
    status: z.enum(['investigating', 'bootstrapping', 'active', 'disassociated', 'failed']),
    os: z.string(),
    cpus: z.number().int(),
    memory: z.number().int().meta({ description: 'Kilobytes' }),
    space: z.number().int().meta({ description: 'Kilobytes' }),
    last_check: z.string(),
    source: z.string(),
  })
  .meta({
    id: 'ClustersHost',
    example: {
      ...{ address: '192.168.152.110', status: 'active', os: 'fedora', cpus: 2, memory: 2048400, space: 487652 },
      ...{ last_check: '2026-12-01T05:27:00.123000', source: '' },
    },
  })
export type HostRecord = z.infer<typeof HostRecord>

export const hostRecord = ({ address, status, os, cpus, memory, space, lastCheck, source }: Host): HostRecord => ({
  ...{ address, status, os, cpus, memory, space },
  last_check: lastCheck === null ? '' : dateOf(lastCheck),
  source,
})

/** A host that was just registered. */
export const newHostRecord = (address: string, source: string): HostRecord => ({
  ...{ address, status: 'investigating', os: '', cpus: 0, memory: 0, space: 0, last_check: '', source },
})

export const HostCredentials = z
  .object({
    address: z.string(),
    ssh_priv_key: z.string().nullable().meta({ description: 'As it was received; null where it was forgotten' }),
    remote_user: z.string(),
    ssh_port: z.number().int().optional(),
  })
  .meta({ id: 'ClustersHostCredentials' })

const clusterMembers = {
  name: z.string(),
  status: z.enum(['ok', 'degraded', 'failed']),
  network: z.string(),
  container_manager: z.string(),
}
export const ClusterRecord = z
  .object(clusterMembers)
  .meta({ id: 'ClustersCluster', example: { name: 'web', status: 'ok', network: 'default', container_manager: '' } })
export type ClusterRecord = z.infer<typeof ClusterRecord>

/** What `PUT hosts` answers. */
export const ClusterWithHostset = z
  .object({ ...clusterMembers, hostset: z.array(z.string()) })
  .meta({ id: 'ClustersClusterHostset' })

/** What `GET` answers. */
export const ClusterWithHosts = z
  .object({
    ...clusterMembers,
    hosts: z.object({ total: z.number().int(), available: z.number().int(), unavailable: z.number().int() }),
    hostset: z.array(z.string()),
  })
  .meta({ id: 'ClustersClusterHosts' })

/** No member is active in a cluster without a container manager, so that one with members is `failed`. */
const clusterStatus = ({ total, available, unavailable }: MemberCounts): ClusterRecord['status'] => {
  if (unavailable === 0) return 'ok'
  return total > 0 && available === 0 ? 'failed' : 'degraded'
}

export const clusterRecord = (
  { name, network, manager }: Pick<Cluster, 'name' | 'network' | 'manager'>,
  counts: MemberCounts,
): ClusterRecord => ({ name, status: clusterStatus(counts), network, container_manager: manager })

/** With the addresses of its members, in the order in which they joined. */
export const clusterWithHostset = (
  cluster: Cluster,
  { clusters, hosts }: ClustersQueries,
): z.infer<typeof ClusterWithHostset> => ({
  ...clusterRecord(cluster, clusters.counts(cluster.name)),
  hostset: [...hosts.addressesOf(cluster.name)],
})

export const clusterWithHosts = (cluster: Cluster, queries: ClustersQueries): z.infer<typeof ClusterWithHosts> => {
  const { hostset, ...record } = clusterWithHostset(cluster, queries)
  const { total, available, unavailable } = queries.clusters.counts(cluster.name)
  return { ...record, hosts: { total, available, unavailable }, hostset }
}

export const NetworkRecord = z
  .object({ name: z.string(), type: z.enum(networkTypes), options: anyJsonObject })
  .meta({ id: 'ClustersNetwork', example: { name: 'default', type: 'flannel_etcd', options: {} } })

export const ManagerRecord = z.object({ name: z.string(), type: z.enum(managerTypes), options: anyJsonObject }).meta({
  id: 'ClustersContainerManager',
  example: { name: 'openshift', type: 'openshift', options: { apiserver: 'https://192.168.152.100:8443' } },
})

/** Where the word for what was done stands. */
export const doneMembers = { deploy: 'deployed', upgrade: 'upgraded', restart: 'restarted' } as const

const HostList = z.array(z.union([HostRecord, z.object({ address: z.string() })]))
const changeMembers = { in_process: HostList, started_at: date, finished_at: date.nullable() }
const beginning = { name: z.string(), status: z.enum(['in_process', 'finished', 'failed']) }
export const ChangeRecords = {
  deploy: z.object({ ...beginning, version: z.string(), deployed: HostList, ...changeMembers }).meta({ id: 'ClustersDeploy' }),
  upgrade: z.object({ ...beginning, upgraded: HostList, ...changeMembers }).meta({ id: 'ClustersUpgrade' }),
  restart: z.object({ ...beginning, restarted: HostList, ...changeMembers }).meta({ id: 'ClustersRestart' }),
} as const

/** Hosts as they are now; of those that are gone only the address. */
export const changeRecord = (
  record: ClusterChange,
  { hosts }: Pick<ClustersQueries, 'hosts'>,
): Readonly<Record<string, JsonValue>> => {
  const listed = (state: 'started' | 'succeeded') =>
    hosts.ofChange(record.operation, state).map((host) => ('status' in host ? hostRecord(host) : { address: host.address }))
  return recordWith(record, { done: listed('succeeded'), inProcess: listed('started') })
}

/** As one was when it was requested, whatever has happened since. */
export const beginningRecord = (record: ClusterChange): Readonly<Record<string, JsonValue>> =>
  recordWith({ ...record, status: 'in_process', finishedAt: null }, { done: [], inProcess: [] })

const recordWith = (
  { cluster, change, version, status, requestedAt, finishedAt }: ClusterChange,
  { done, inProcess }: { readonly done: JsonValue; readonly inProcess: JsonValue },
): Readonly<Record<string, JsonValue>> => ({
  ...{ name: cluster, status, ...(change === 'deploy' ? { version } : {}) },
  [doneMembers[change]]: done,
  in_process: inProcess,
  started_at: dateOf(requestedAt),
  finished_at: finishedAt === null ? null : dateOf(finishedAt),
})
