import { type Change, type ChangeInput, changeKind, changes } from '../../commands/clusters/change.ts'
import { requestedNames } from '../../commands/targets.ts'
import { type OperationRequest, operationOf } from '../../events/operation.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { RecordedEvent } from '../../stores/event-log.ts'
import type { Tx, Views } from '../projection.ts'

/**
 * Deploys, upgrades and restarts with the hosts that they go over. `state` of a host: `waiting`, `started` (and not succeeded, whatever became of it)
 * or `succeeded`. Kept are those that have not ended, and the latest of each change of each creation of a cluster.
 */
export const changeSchema = [
  `CREATE TABLE changes (
     seq INTEGER PRIMARY KEY, operation TEXT NOT NULL UNIQUE, cluster TEXT NOT NULL, creation TEXT NOT NULL, change TEXT NOT NULL,
     version TEXT, status TEXT NOT NULL, requested_at TEXT NOT NULL, finished_at TEXT
   ) STRICT`,
  `CREATE INDEX changes_by_creation ON changes (creation, change, seq)`,
  `CREATE TABLE change_hosts (
     operation TEXT NOT NULL, place INTEGER NOT NULL, address TEXT NOT NULL, registration TEXT, state TEXT NOT NULL,
     PRIMARY KEY (operation, place)
   ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX change_hosts_by_registration ON change_hosts (registration) WHERE state = 'started'`,
]

const changeOfKind = (kind: string): Change | undefined => changes.find((change) => changeKind(change) === kind)

/** Answers whether the request is one for a change. */
export const requestChange = (
  { stream, recordedAt, data }: RecordedEvent & { readonly data: JsonObject & OperationRequest },
  tx: Tx,
): boolean => {
  const change = changeOfKind(data.kind)
  if (change === undefined) return false
  const operation = operationOf({ stream })
  const { cluster, creation, hosts, version = null } = data.input as unknown as ChangeInput & { version?: string }
  forget(tx, `creation = ? AND change = ? AND finished_at IS NOT NULL`, creation, change)
  tx.run(
    `INSERT INTO changes (operation, cluster, creation, change, version, status, requested_at) VALUES (?, ?, ?, ?, ?, 'in_process', ?)`,
    ...[operation, cluster, creation, change, version, recordedAt],
  )
  tx.run(
    `INSERT INTO change_hosts (operation, place, address, registration, state)
     SELECT ?1, targets.key, targets.value, hosts.value ->> 'registration', 'waiting'
     FROM json_each(?2) AS targets LEFT JOIN json_each(?3) AS hosts ON hosts.value ->> 'address' = targets.value`,
    operation,
    JSON.stringify(requestedNames(data) ?? []),
    JSON.stringify(hosts),
  )
  return true
}

/** Answers the registration of the host; undefined where it is of no change. */
export const moveHost = (tx: Tx, operation: string, place: number, state: 'started' | 'succeeded'): string | undefined => {
  tx.run(`UPDATE change_hosts SET state = ? WHERE operation = ? AND place = ?`, state, operation, place)
  return hostAt(tx, operation, place)
}

/** The registration of the host at a place of an operation. */
export const hostAt = (tx: Tx, operation: string, place: number): string | undefined =>
  tx.get<{ registration: string | null }>(
    `SELECT registration FROM change_hosts WHERE operation = ? AND place = ?`,
    operation,
    place,
  )?.registration ?? undefined

/** What became of an operation; those of deleted clusters are forgotten. */
export const endChange = (tx: Tx, operation: string, status: 'finished' | 'failed', at: string): void => {
  tx.run(`UPDATE changes SET status = ?, finished_at = ? WHERE operation = ?`, status, at, operation)
  forget(tx, `operation = ? AND creation NOT IN (SELECT creation FROM clusters)`, operation)
}

/** The cluster is deleted: what still runs is remembered until it has ended. */
export const forgetChanges = (tx: Tx, cluster: string): void => forget(tx, `cluster = ? AND finished_at IS NOT NULL`, cluster)

const forget = (tx: Tx, condition: string, ...values: readonly string[]): void => {
  tx.run(`DELETE FROM change_hosts WHERE operation IN (SELECT operation FROM changes WHERE ${condition})`, ...values)
  tx.run(`DELETE FROM changes WHERE ${condition}`, ...values)
}

/** A deploy, upgrade or restart of a cluster. */
export interface ClusterChange {
  readonly operation: string
  readonly cluster: string
  readonly creation: string
  readonly change: Change
  /** What is deployed; null where it is no deploy. */
  readonly version: string | null
  readonly status: 'in_process' | 'finished' | 'failed'
  /** RFC 3339. */
  readonly requestedAt: string
  readonly finishedAt: string | null
}

const select = `SELECT operation, cluster, creation, change, version, status, requested_at AS requestedAt, finished_at AS finishedAt FROM changes`

export const changeQueries = (views: Views) => ({
  /** The latest of a change of one creation of a cluster. */
  latest: (creation: string, change: Change): ClusterChange | undefined =>
    views.get<ClusterChange>(`${select} WHERE creation = ? AND change = ? ORDER BY seq DESC LIMIT 1`, creation, change),
  /** The latest of any change of one creation of a cluster. */
  latestOfAny: (creation: string): ClusterChange | undefined =>
    views.get<ClusterChange>(`${select} WHERE creation = ? ORDER BY seq DESC LIMIT 1`, creation),
  byOperation: (operation: string): ClusterChange | undefined =>
    views.get<ClusterChange>(`${select} WHERE operation = ?`, operation),
  /** What has not ended, of any creation of the cluster, the oldest first. */
  unfinished: (cluster: string): readonly ClusterChange[] =>
    views.all<ClusterChange>(`${select} WHERE cluster = ? AND finished_at IS NULL ORDER BY seq`, cluster),
  /** What has not ended although its cluster was deleted. */
  orphaned: (): readonly ClusterChange[] =>
    views.all<ClusterChange>(
      `${select} WHERE finished_at IS NULL AND creation NOT IN (SELECT creation FROM clusters) ORDER BY seq`,
    ),
})
