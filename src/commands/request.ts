import type { KeptAnswer, RequestEvent } from '../events/request.ts'
import { type Decider, nothing, refuse } from './decider.ts'

export type RequestCommand = { readonly stream: string } & (
  | {
      readonly type: 'ClaimKey'
      readonly fingerprint: string
      readonly commandId: string
      readonly node?: string
      /** RFC 3339 */
      readonly at?: string
    }
  | { readonly type: 'AnswerKey'; readonly answer: KeptAnswer }
  | { readonly type: 'FreeKey' }
)
export type RequestState =
  | { readonly status: 'free' }
  | {
      readonly status: 'claimed'
      readonly fingerprint: string
      readonly commandId: string
      readonly node?: string | undefined
      readonly at?: string | undefined
    }
  | { readonly status: 'answered'; readonly fingerprint: string; readonly answer: KeptAnswer }
export type RequestRefusal = { readonly reason: 'key-reused' }

/**
 * One idempotency key: claimed before the command runs, answered after it, freed by a refusal. A claim that finds the same request
 * already claimed appends nothing; its state names the command id that the first one took.
 */
export const request: Decider<RequestCommand, RequestEvent, RequestState, RequestRefusal> = {
  category: 'request',
  streamOf: (command) => command.stream,
  initial: { status: 'free' },
  // Nearly every key is new: an append that finds the stream there costs a read then, and the others none.
  creates: (command) => command.type === 'ClaimKey',
  evolve: (state, event) => {
    switch (event.type) {
      case 'KeyClaimed':
        return { status: 'claimed', ...event.data }
      case 'KeyAnswered':
        return state.status === 'claimed' ? { status: 'answered', fingerprint: state.fingerprint, answer: event.data } : state
      case 'KeyFreed':
        return { status: 'free' }
    }
  },
  decide: (command, state) => {
    switch (command.type) {
      case 'ClaimKey': {
        const { type: _, stream: __, ...claim } = command
        if (state.status === 'free') return { events: [{ type: 'KeyClaimed', data: claim }] }
        return state.fingerprint === claim.fingerprint ? nothing : refuse({ reason: 'key-reused' })
      }
      case 'AnswerKey':
        return state.status === 'claimed' ? { events: [{ type: 'KeyAnswered', data: command.answer }] } : nothing
      case 'FreeKey':
        return state.status === 'claimed' ? { events: [{ type: 'KeyFreed', data: {} }] } : nothing
    }
  },
}
