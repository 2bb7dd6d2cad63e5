import type { LaneEvent } from '../events/lane.ts'
import { type Decider, nothing, refuse } from './decider.ts'

export type LaneCommand =
  | { readonly type: 'AcquireLane'; readonly lane: string; readonly operation: string }
  | { readonly type: 'ReleaseLane'; readonly lane: string; readonly operation: string }
export type LaneState = { readonly holder: string | null }
export type LaneRefusal = { readonly reason: 'lane-held'; readonly holder: string }

export const laneStream = (lane: string): string => `lane-${lane}`

/** Who may work on a shared target: one operation at a time, from its first start to its end. */
export const lane: Decider<LaneCommand, LaneEvent, LaneState, LaneRefusal> = {
  category: 'lane',
  memory: 'last',
  streamOf: (command) => laneStream(command.lane),
  initial: { holder: null },
  evolve: (_state, event) => ({ holder: event.type === 'LaneAcquired' ? event.data.operation : null }),
  decide: ({ type, operation }, { holder }) => {
    switch (type) {
      case 'AcquireLane':
        if (holder === operation) return nothing
        if (holder !== null) return refuse({ reason: 'lane-held', holder })
        return { events: [{ type: 'LaneAcquired', data: { operation } }] }
      case 'ReleaseLane':
        if (holder !== operation) return nothing
        return { events: [{ type: 'LaneReleased', data: { operation } }] }
    }
  },
}
