import { type Remains, type SecretEvent, secretPrefix } from '../events/secret.ts'
import { type Decider, nothing } from './decider.ts'

type SecretCommand = { readonly subject: string } & (
  | { readonly type: 'RequestForgetting' }
  | { readonly type: 'RecordForgotten'; readonly events: number; readonly remains: readonly Remains[] }
)

type SecretState = { readonly status: 'sealed' } | { readonly status: 'requested' } | { readonly status: 'forgotten' }

/** The secrets of a subject. The request to forget them is recorded before the erasure, the erasure after it. */
export const secret: Decider<SecretCommand, SecretEvent, SecretState, never> = {
  category: 'secret',
  streamOf: ({ subject }) => `${secretPrefix}${subject}`,
  initial: { status: 'sealed' },
  evolve: (_state, event) => ({ status: event.type === 'SecretForgotten' ? 'forgotten' : 'requested' }),
  decide: (command, state) => {
    switch (command.type) {
      case 'RequestForgetting':
        return state.status === 'requested' ? nothing : { events: [{ type: 'SecretForgetRequested', data: {} }] }
      case 'RecordForgotten': {
        const { events, remains } = command
        return state.status === 'requested'
          ? { events: [{ type: 'SecretForgotten', data: { events, remains: [...remains] } }] }
          : nothing
      }
    }
  },
}
