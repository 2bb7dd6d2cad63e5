import { expect } from 'vitest'
import type { Decider } from '../src/commands/decider.ts'

/** Reads like the rules: `given(decider, events).when(command).then(events)`, or `.then({ refused })`. */
export const given = <Command, Event, State, Refusal>(
  decider: Decider<Command, Event, State, Refusal>,
  history: readonly Event[] = [],
) => ({
  when: (command: Command) => {
    const state = history.reduce(decider.evolve, decider.initial)
    const decision = decider.decide(command, state)
    return {
      // biome-ignore lint/suspicious/noThenProperty: nobody awaits it; it is the third word of given, when, then
      then: (expected: readonly Event[] | { readonly refused: Refusal }): void => {
        expect(decision).toEqual(Array.isArray(expected) ? { events: expected } : expected)
      },
    }
  },
  /** The state that the events fold to. */
  state: (): State => history.reduce(decider.evolve, decider.initial),
})
