import { hostEvents } from '../../events/clusters/host.ts'
import { on } from '../projection.ts'

/**
 * `phase` says how far the host is by itself: `investigating`, `bootstrapping`, `ready` or `failed`; `failure` is then the event that says so, and
 * `failed_by` whether its investigation or a check found out. A host that is ready is active where it is registered at the container manager
 * of its cluster. `registered_at`, `checked_at` and `last_check` are RFC 3339; `checked_at` is the last check, reached or not. The last columns may be long:
 * lists do not read them.
 */
export const hostSchema = [
  `CREATE TABLE hosts (
     seq INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE, registration TEXT NOT NULL, position TEXT NOT NULL, registered_at TEXT NOT NULL,
     remote_user TEXT NOT NULL, ssh_port INTEGER NOT NULL, source TEXT NOT NULL, inferred INTEGER NOT NULL, fingerprint TEXT,
     phase TEXT NOT NULL DEFAULT 'investigating', failed_by TEXT, failure TEXT, failed_at TEXT, investigation TEXT,
     os TEXT NOT NULL DEFAULT '', cpus INTEGER NOT NULL DEFAULT 0, memory INTEGER NOT NULL DEFAULT 0, space INTEGER NOT NULL DEFAULT 0,
     last_check TEXT, checked_at TEXT, last_step TEXT,
     cluster TEXT, creation TEXT, joined TEXT, node_manager TEXT,
     status TEXT NOT NULL AS (CASE WHEN phase <> 'ready' THEN phase
       WHEN node_manager IS NOT NULL AND cluster IS NOT NULL THEN 'active' ELSE 'disassociated' END) VIRTUAL,
     key TEXT NOT NULL, last_error TEXT
   ) STRICT`,
  `CREATE INDEX hosts_by_cluster ON hosts (cluster, joined) WHERE cluster IS NOT NULL`,
  `CREATE INDEX hosts_by_node ON hosts (node_manager) WHERE node_manager IS NOT NULL`,
  `CREATE INDEX hosts_by_check ON hosts (checked_at) WHERE phase = 'ready' OR failed_by = 'check'`,
]

export const foldHost = on(hostEvents, {
  HostRegistered: ({ id, position, recordedAt, data }, tx) => {
    const { address, remoteUser, sshPort, source, inferredAddress, key } = data
    tx.run(
      `INSERT INTO hosts (address, registration, position, registered_at, remote_user, ssh_port, source, inferred, key)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (address) DO NOTHING`,
      ...[address, id, position, recordedAt, remoteUser, sshPort, source, Number(inferredAddress), JSON.stringify(key)],
    )
  },
  // A cluster that was deleted meanwhile has no members. A node that is registered elsewhere does not make a member active.
  HostJoinedCluster: ({ position, data: { address, creation } }, tx) =>
    tx.run(
      `UPDATE hosts SET cluster = clusters.name, creation = clusters.creation, joined = ?,
         node_manager = CASE WHEN node_manager = clusters.manager THEN node_manager END
       FROM clusters WHERE hosts.address = ? AND clusters.creation = ?`,
      position,
      address,
      creation,
    ),
  HostLeftCluster: ({ data: { address, cluster } }, tx) =>
    tx.run(
      `UPDATE hosts SET cluster = NULL, creation = NULL, joined = NULL, node_manager = NULL WHERE address = ? AND cluster = ?`,
      address,
      cluster,
    ),
  HostKeyChanged: ({ data: { address, newFingerprint, accepted } }, tx) => {
    if (accepted) tx.run(`UPDATE hosts SET fingerprint = ? WHERE address = ?`, newFingerprint, address)
  },
  HostDeleted: ({ data: { address } }, tx) => tx.run(`DELETE FROM hosts WHERE address = ?`, address),
})
