import { type ServiceEvent, servicePrefix } from '../../events/robot/service.ts'
import { type Decider, nothing, refuse } from '../decider.ts'

type Created = Extract<ServiceEvent, { type: 'ServiceCreated' }>['data']

export type ServiceCommand = { readonly guid: string } & (
  | { readonly type: 'CreateService'; readonly service: Created }
  | { readonly type: 'UpgradeService'; readonly templateUid: string; readonly commit: string }
  | { readonly type: 'DeleteService' }
)

export type ServiceState =
  | { readonly status: 'absent' }
  | { readonly status: 'live'; readonly name: string; readonly templateUid: string; readonly commit: string }
  | { readonly status: 'deleted' }

export type ServiceRefusal = { readonly reason: 'unknown-service' }

/** What may happen to a service as a whole. Repetitions append nothing. Source: robot contract, "Events". */
export const service: Decider<ServiceCommand, ServiceEvent, ServiceState, ServiceRefusal> = {
  category: 'robotService',
  streamOf: ({ guid }) => `${servicePrefix}${guid}`,
  initial: { status: 'absent' },
  creates: ({ type }) => type === 'CreateService',
  isTerminal: ({ status }) => status === 'deleted',
  evolve: (state, { type, data }) => {
    switch (type) {
      case 'ServiceCreated':
        return { status: 'live', name: data.name, templateUid: data.templateUid, commit: data.commit }
      case 'ServiceUpgraded':
        return state.status === 'live' ? { ...state, ...data } : state
      case 'ServiceDeleted':
        return { status: 'deleted' }
    }
  },
  decide: (command, state) => {
    switch (command.type) {
      case 'CreateService':
        return state.status === 'absent' ? { events: [{ type: 'ServiceCreated', data: command.service }] } : nothing
      case 'UpgradeService': {
        if (state.status !== 'live') return refuse({ reason: 'unknown-service' })
        const { templateUid, commit } = command
        if (state.templateUid === templateUid && state.commit === commit) return nothing
        return { events: [{ type: 'ServiceUpgraded', data: { templateUid, commit } }] }
      }
      case 'DeleteService':
        return state.status === 'live' ? { events: [{ type: 'ServiceDeleted', data: {} }] } : nothing
    }
  },
}
