import { isDeepStrictEqual } from 'node:util'
import { type ScheduleDefinition, type ScheduleEvent, schedulePrefix } from '../../events/schedule.ts'
import { derivedId } from '../../lib/ids.ts'
import { type Decider, nothing, refuse } from '../decider.ts'

export interface ScheduleKey {
  /** The face that keeps it for itself; null for those of the native API. */
  readonly owner: string | null
  readonly name: string
}

/** `from` is the time of the command, RFC 3339; `uid` is the schedule that a slot was found for. */
export type ScheduleCommand = { readonly key: ScheduleKey } & (
  | {
      readonly type: 'CreateSchedule'
      readonly uid: string
      readonly definition: ScheduleDefinition
      readonly paused: boolean
      readonly from: string
    }
  | {
      readonly type: 'ReplaceSchedule'
      readonly definition: ScheduleDefinition
      readonly paused: boolean
      readonly from: string
    }
  | { readonly type: 'PauseSchedule' }
  | { readonly type: 'ResumeSchedule'; readonly from: string }
  | { readonly type: 'SkipSlot'; readonly uid: string; readonly slot: string; readonly reason: string }
  | { readonly type: 'RestartInterval'; readonly uid: string; readonly from: string }
  | { readonly type: 'DeleteSchedule' }
)

export type ScheduleState =
  | { readonly status: 'absent' }
  | {
      readonly status: 'live'
      readonly uid: string
      readonly definition: ScheduleDefinition
      readonly paused: boolean
      /** The last slot that was skipped. */
      readonly skipped: string | null
    }

export type ScheduleRefusal = { readonly reason: 'exists' } | { readonly reason: 'unknown-schedule' }

export const scheduleStream = ({ owner, name }: ScheduleKey): string =>
  `${schedulePrefix}${derivedId('schedule', owner ?? '', name)}`

/** A schedule of one name, which may be made again after its deletion. Source: native contract, section 11. */
export const schedule: Decider<ScheduleCommand, ScheduleEvent, ScheduleState, ScheduleRefusal> = {
  category: 'schedule',
  streamOf: ({ key }) => scheduleStream(key),
  initial: { status: 'absent' },
  evolve: (state, { type, data }) => {
    if (type === 'ScheduleCreated') {
      const { uid, definition, paused } = data
      return { status: 'live', uid, definition, paused, skipped: null }
    }
    if (state.status === 'absent') return state
    switch (type) {
      case 'ScheduleReplaced':
        return { ...state, definition: data.definition, paused: data.paused }
      case 'SchedulePaused':
        return { ...state, paused: true }
      case 'ScheduleResumed':
        return { ...state, paused: false }
      case 'ScheduleSlotSkipped':
        return { ...state, skipped: data.slot }
      case 'ScheduleRestarted':
        return { ...state, skipped: null }
      case 'ScheduleDeleted':
        return { status: 'absent' }
    }
  },
  decide: (command, state) => {
    if (command.type === 'CreateSchedule') {
      if (state.status === 'live') return state.uid === command.uid ? nothing : refuse({ reason: 'exists' })
      const { key, uid, definition, paused, from } = command
      return { events: [{ type: 'ScheduleCreated', data: { uid, ...key, definition, paused, from } }] }
    }
    if (state.status === 'absent') return refuse({ reason: 'unknown-schedule' })
    switch (command.type) {
      case 'ReplaceSchedule': {
        const { definition, paused, from } = command
        if (paused === state.paused && isDeepStrictEqual(definition, state.definition)) return nothing
        return { events: [{ type: 'ScheduleReplaced', data: { definition, paused, from } }] }
      }
      case 'PauseSchedule':
        return state.paused ? nothing : { events: [{ type: 'SchedulePaused', data: {} }] }
      case 'ResumeSchedule':
        return state.paused ? { events: [{ type: 'ScheduleResumed', data: { from: command.from } }] } : nothing
      case 'SkipSlot': {
        const { uid, slot, reason } = command
        if (uid !== state.uid) return refuse({ reason: 'unknown-schedule' })
        // Two nodes that both believe to hold the office skip it once.
        if (state.skipped !== null && state.skipped >= slot) return nothing
        return { events: [{ type: 'ScheduleSlotSkipped', data: { slot, reason } }] }
      }
      case 'RestartInterval':
        if (command.uid !== state.uid) return refuse({ reason: 'unknown-schedule' })
        return { events: [{ type: 'ScheduleRestarted', data: { from: command.from } }] }
      case 'DeleteSchedule':
        return { events: [{ type: 'ScheduleDeleted', data: {} }] }
    }
  },
}
