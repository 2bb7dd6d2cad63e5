import { clusterEvents } from '../../events/clusters/cluster.ts'
import { on, type Views } from '../projection.ts'
import { forgetChanges } from './changes.ts'

export const clusterSchema = [
  `CREATE TABLE clusters (
     seq INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, creation TEXT NOT NULL, network TEXT NOT NULL, manager TEXT NOT NULL,
     replacement TEXT
   ) STRICT`,
]

export const foldCluster = on(clusterEvents, {
  ClusterCreated: ({ id, data: { name, network, containerManager } }, tx) =>
    tx.run(
      `INSERT INTO clusters (name, creation, network, manager) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING`,
      ...[name, id, network, containerManager],
    ),
  ClusterSettingsChanged: ({ data: { name, network, containerManager } }, tx) =>
    tx.run(
      `UPDATE clusters SET network = ifnull(?, network), manager = ifnull(?, manager) WHERE name = ?`,
      network ?? null,
      containerManager ?? null,
      name,
    ),
  ClusterHostsReplaced: ({ data: { name, operationId } }, tx) =>
    tx.run(`UPDATE clusters SET replacement = ? WHERE name = ?`, operationId, name),
  ClusterDeleted: ({ data: { name } }, tx) => {
    tx.run(`UPDATE hosts SET cluster = NULL, creation = NULL, joined = NULL, node_manager = NULL WHERE cluster = ?`, name)
    forgetChanges(tx, name)
    tx.run(`DELETE FROM clusters WHERE name = ?`, name)
  },
})

export interface Cluster {
  readonly name: string
  /** The id of its `ClusterCreated`. */
  readonly creation: string
  readonly network: string
  /** The name of a configuration, which may not exist; empty: none. */
  readonly manager: string
  /** The operation of the latest `PUT hosts` that was accepted. */
  readonly replacement: string | null
}

/** How many members a cluster has, and how many of them are active. */
export interface MemberCounts {
  readonly total: number
  readonly available: number
  readonly unavailable: number
}

export const clusterQueries = (views: Views) => ({
  /** The oldest first. */
  names: (): readonly string[] => views.all<{ name: string }>(`SELECT name FROM clusters ORDER BY seq`).map(({ name }) => name),
  byName: (name: string): Cluster | undefined =>
    views.get<Cluster>(`SELECT name, creation, network, manager, replacement FROM clusters WHERE name = ?`, name),
  counts: (name: string): MemberCounts =>
    views.get<MemberCounts>(
      `SELECT count(*) AS total, count(*) FILTER (WHERE status = 'active') AS available,
         count(*) FILTER (WHERE status <> 'active') AS unavailable FROM hosts WHERE cluster = ?`,
      name,
    ) as MemberCounts,
})
