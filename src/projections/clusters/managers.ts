import { type ManagerOptions, type ManagerType, managerEvents } from '../../events/clusters/manager.ts'
import { on, type Views } from '../projection.ts'

export const managerSchema = [
  `CREATE TABLE managers (seq INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, type TEXT NOT NULL, options TEXT NOT NULL) STRICT`,
]

export const foldManager = on(managerEvents, {
  ContainerManagerConfigured: ({ data: { name, type, options } }, tx) =>
    tx.run(
      `INSERT INTO managers (name, type, options) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING`,
      name,
      type,
      JSON.stringify(options),
    ),
  ContainerManagerRemoved: ({ data: { name } }, tx) => tx.run(`DELETE FROM managers WHERE name = ?`, name),
})

/** A configuration; its token is sealed. */
export interface Manager {
  readonly name: string
  readonly type: ManagerType
  readonly options: ManagerOptions
}

export const managerQueries = (views: Views) => ({
  /** The oldest first. */
  names: (): readonly string[] => views.all<{ name: string }>(`SELECT name FROM managers ORDER BY seq`).map(({ name }) => name),
  byName: (name: string): Manager | undefined => {
    const row = views.get<{ type: ManagerType; options: string }>(`SELECT type, options FROM managers WHERE name = ?`, name)
    return row && { name, type: row.type, options: JSON.parse(row.options) }
  },
  /** Addresses whose nodes are registered at it, in the order of their hosts. */
  nodes: (name: string): readonly string[] =>
    views
      .all<{ address: string }>(`SELECT address FROM hosts WHERE node_manager = ? ORDER BY seq`, name)
      .map(({ address }) => address),
})
