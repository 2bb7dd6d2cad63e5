import type { ServiceNameEvent } from '../../events/robot/service-name.ts'
import { sha256 } from '../../lib/ids.ts'
import { type Decider, nothing, refuse } from '../decider.ts'

/** `alone`: nobody else may hold the name; `template`: nobody else of the same template may. */
export type NameScope = 'alone' | 'template'

export type ServiceNameCommand = { readonly name: string; readonly guid: string } & (
  | { readonly type: 'ClaimName'; readonly templateUid: string; readonly scope: NameScope }
  | { readonly type: 'ReleaseName' }
)

/** Services that hold the name, with the template under which they do. */
export type NameHolders = ReadonlyMap<string, string>
export type NameRefusal = { readonly reason: 'name-taken'; readonly holder: string }

/** Names of services. An upgrade claims the name of its service again, under the new template. Source: robot contract, sections 7 and 9. */
export const serviceName: Decider<ServiceNameCommand, ServiceNameEvent, NameHolders, NameRefusal> = {
  category: 'robotName',
  streamOf: ({ name }) => `robotName-${sha256(name)}`,
  initial: new Map(),
  evolve: (holders, { type, data }) => {
    const next = new Map(holders)
    if (type === 'NameClaimed') next.set(data.guid, data.templateUid)
    else next.delete(data.guid)
    return next
  },
  decide: (command, holders) => {
    const { guid } = command
    if (command.type === 'ReleaseName')
      return holders.has(guid) ? { events: [{ type: 'NameReleased', data: { guid } }] } : nothing
    const { templateUid, scope } = command
    const other = [...holders].find(([holder, uid]) => holder !== guid && (scope === 'alone' || uid === templateUid))
    if (other !== undefined) return refuse({ reason: 'name-taken', holder: other[0] })
    return holders.get(guid) === templateUid ? nothing : { events: [{ type: 'NameClaimed', data: { templateUid, guid } }] }
  },
}
