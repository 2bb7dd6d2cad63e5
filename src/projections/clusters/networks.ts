import type { NetworkSettings } from '../../commands/clusters/cluster-network.ts'
import { defaultNetworkName, networkEvents } from '../../events/clusters/network.ts'
import { on, type Views } from '../projection.ts'

/** The network `default` is there from the first start on. */
export const networkSchema = [
  `CREATE TABLE networks (seq INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, type TEXT NOT NULL, options TEXT NOT NULL) STRICT`,
  `INSERT INTO networks (name, type, options) VALUES ('${defaultNetworkName}', 'flannel_etcd', '{}')`,
]

export const foldNetwork = on(networkEvents, {
  NetworkCreated: ({ data: { name, type, options } }, tx) =>
    tx.run(
      `INSERT INTO networks (name, type, options) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING`,
      name,
      type,
      JSON.stringify(options),
    ),
  NetworkDeleted: ({ data: { name } }, tx) => tx.run(`DELETE FROM networks WHERE name = ?`, name),
})

export interface Network extends NetworkSettings {
  readonly name: string
}

export const networkQueries = (views: Views) => ({
  /** The oldest first. */
  names: (): readonly string[] => views.all<{ name: string }>(`SELECT name FROM networks ORDER BY seq`).map(({ name }) => name),
  byName: (name: string): Network | undefined => {
    const row = views.get<{ type: Network['type']; options: string }>(`SELECT type, options FROM networks WHERE name = ?`, name)
    return row && { name, type: row.type, options: JSON.parse(row.options) }
  },
})
