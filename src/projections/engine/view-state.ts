import type { EventLog, Position } from '../../stores/event-log.ts'
import type { ProjectionStatus } from '../projection.ts'
import { eventsBetween } from './lag.ts'
import type { View } from './view.ts'

/** How views are; `live` tells whether the shared feed has reached the head. */
export const createViewStates = ({ log, live }: { readonly log: EventLog; readonly live: () => boolean }) => {
  /** What keeps a view from the head: damage of the log there ends the way of every view that has not passed it. */
  const faultOf = ({ fault, current }: View): ProjectionStatus['fault'] =>
    fault ?? (live() ? null : (log.damageAfter?.(current.position()) ?? null))

  const stateOf = (view: View): ProjectionStatus['state'] => {
    if (view.rebuilding !== undefined) return 'rebuilding'
    if ((faultOf(view) ?? view.rebuildFault) !== null) return 'faulted'
    return live() && view.joined ? 'live' : 'catching-up'
  }

  const statusOf = async (view: View, head: Position): Promise<ProjectionStatus> => ({
    name: view.projection.name,
    version: view.projection.version,
    position: view.current.position(),
    lag: await eventsBetween(log, view.current.position(), head),
    state: stateOf(view),
    fault: faultOf(view) ?? view.rebuildFault,
  })

  return { faultOf, statusOf }
}
