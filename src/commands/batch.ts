import { type BatchEvent, type BatchItem, batchPrefix } from '../events/batch.ts'
import { type Decider, nothing } from './decider.ts'

type BatchCommand = { readonly id: string } & (
  | { readonly type: 'AcceptBatch'; readonly items: readonly BatchItem[] }
  | { readonly type: 'CompleteBatch' }
)
interface BatchState {
  readonly status: 'absent' | 'accepted' | 'completed'
}

/** Operations that are requested together. That it is accepted is the moment from which on all of them will be there. */
export const batch: Decider<BatchCommand, BatchEvent, BatchState, never> = {
  category: 'batch',
  streamOf: ({ id }) => `${batchPrefix}${id}`,
  creates: ({ type }) => type === 'AcceptBatch',
  initial: { status: 'absent' },
  isTerminal: ({ status }) => status === 'completed',
  keeps: () => false,
  evolve: (_state, { type }) => ({ status: type === 'BatchAccepted' ? 'accepted' : 'completed' }),
  decide: (command, { status }) => {
    switch (command.type) {
      case 'AcceptBatch':
        return status === 'absent' ? { events: [{ type: 'BatchAccepted', data: { items: [...command.items] } }] } : nothing
      case 'CompleteBatch':
        return status === 'accepted' ? { events: [{ type: 'BatchCompleted', data: {} }] } : nothing
    }
  },
}
