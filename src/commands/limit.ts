import { type LimitEvent, limitPrefix, type Rate } from '../events/limit.ts'
import { type Decider, nothing, refuse } from './decider.ts'

/** `concurrency` is how many operations run at a time, 0 for none; null where it is not limited. At least one of the two is not null. */
export interface LimitTerms {
  readonly concurrency: number | null
  readonly rate: Rate | null
}

export type LimitCommand =
  | ({ readonly type: 'SetLimit'; readonly key: string } & LimitTerms)
  | { readonly type: 'RemoveLimit'; readonly key: string }
export type LimitState = LimitTerms | null
export type LimitRefusal = { readonly reason: 'unknown-limit' }

export const limitStream = (key: string): string => `${limitPrefix}${key}`

/** How many operations that name a key may run, and how often they start. Source: native contract, section 13. */
export const limit: Decider<LimitCommand, LimitEvent, LimitState, LimitRefusal> = {
  category: 'limit',
  memory: 'last',
  streamOf: (command) => limitStream(command.key),
  initial: null,
  evolve: (_state, event) => (event.type === 'LimitSet' ? event.data : null),
  decide: (command, state) => {
    switch (command.type) {
      case 'SetLimit': {
        const { concurrency, rate } = command
        if (state !== null && isSame(state, command)) return nothing
        return { events: [{ type: 'LimitSet', data: { concurrency, rate } }] }
      }
      case 'RemoveLimit':
        if (state === null) return refuse({ reason: 'unknown-limit' })
        return { events: [{ type: 'LimitRemoved', data: {} }] }
    }
  },
}

const isSame = (one: LimitTerms, other: LimitTerms): boolean =>
  one.concurrency === other.concurrency && one.rate?.count === other.rate?.count && one.rate?.perMs === other.rate?.perMs
