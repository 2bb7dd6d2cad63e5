import type { AnswerEvent } from '../../events/crawling/answer.ts'
import type { JsonValue } from '../../lib/json.ts'
import { type Decider, nothing, refuse } from '../decider.ts'

export type AnswerCommand =
  | {
      /** `DeliverAnswer` by the `/feed` that waited, `PollAnswer` by a `/poll`. */
      readonly type: 'DeliverAnswer' | 'PollAnswer'
      /** The operation whose result the answer is, or the message that brought it. */
      readonly operation: string
      readonly uuid: string
      /** The answer is an operation's result: whoever takes it first makes the stream, and nothing need be read before (a poll 220 → 130 µs). */
      readonly isResult?: boolean
    }
  | {
      /** A Scrapy Cluster has answered; every node hears it and the first one records it. */
      readonly type: 'ReceiveAnswer'
      /** Derived from the message. */
      readonly operation: string
      readonly uuid: string
      readonly answer: JsonValue
    }
export type AnswerState = 'open' | 'received' | 'delivered' | 'polled'
export interface AnswerRefusal {
  readonly reason: 'already-taken'
  readonly by: 'delivered' | 'polled'
}

const states = { AnswerReceived: 'received', AnswerDelivered: 'delivered', AnswerPolled: 'polled' } as const

/** An answer is handed out once; of two that ask at the same time the first to be recorded gets it. */
export const answer: Decider<AnswerCommand, AnswerEvent, AnswerState, AnswerRefusal> = {
  category: 'answer',
  memory: 'last',
  streamOf: ({ operation }) => `answer-${operation}`,
  creates: (command) => command.type !== 'ReceiveAnswer' && command.isResult === true,
  initial: 'open',
  isTerminal: (state) => state === 'delivered' || state === 'polled',
  evolve: (_state, event) => states[event.type],
  decide: (command, state) => {
    const { uuid } = command
    if (command.type === 'ReceiveAnswer') {
      if (state !== 'open') return nothing
      return { events: [{ type: 'AnswerReceived', data: { uuid, answer: command.answer as never } }] }
    }
    if (state === 'delivered' || state === 'polled') return refuse({ reason: 'already-taken', by: state })
    return { events: [{ type: command.type === 'PollAnswer' ? 'AnswerPolled' : 'AnswerDelivered', data: { uuid } }] }
  },
}
