import type { AnswerEvent } from '../../events/crawling/answer.ts'
import { type Decider, refuse } from '../decider.ts'

export interface AnswerCommand {
  /** `DeliverAnswer` by the `/feed` that waited, `PollAnswer` by a `/poll`. */
  readonly type: 'DeliverAnswer' | 'PollAnswer'
  /** The operation whose result the answer is. */
  readonly operation: string
  readonly uuid: string
}
export type AnswerState = 'open' | 'delivered' | 'polled'
export interface AnswerRefusal {
  readonly reason: 'already-taken'
  readonly by: 'delivered' | 'polled'
}

/** An answer is handed out once; of two that ask at the same time the first to be recorded gets it. */
export const answer: Decider<AnswerCommand, AnswerEvent, AnswerState, AnswerRefusal> = {
  category: 'answer',
  memory: 'last',
  streamOf: ({ operation }) => `answer-${operation}`,
  initial: 'open',
  evolve: (_state, event) => (event.type === 'AnswerPolled' ? 'polled' : 'delivered'),
  decide: ({ type, uuid }, state) => {
    if (state !== 'open') return refuse({ reason: 'already-taken', by: state })
    return { events: [{ type: type === 'PollAnswer' ? 'AnswerPolled' : 'AnswerDelivered', data: { uuid } }] }
  },
}
