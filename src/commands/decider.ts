/** Accepted with these events (none: nothing to do), or refused with a reason that each face words for itself. */
export type Decision<Event, Refusal> = { readonly events: readonly Event[] } | { readonly refused: Refusal }

/** The rules of one stream category, pure: no clock, no ids, no I/O; what it needs of them stands in the command. */
export interface Decider<Command, Event, State, Refusal> {
  readonly category: string
  streamOf(command: Command): string
  readonly initial: State
  evolve(state: State, event: Event): State
  decide(command: Command, state: State): Decision<Event, Refusal>
  /** True where the command makes the stream: it is decided on the initial state without a read. */
  creates?(command: Command): boolean
  /** True where nothing can happen to the stream any more; such states are not kept in memory. */
  isTerminal?(state: State): boolean
  /** False where the state keeps nothing of the event's data, which then does not count as memory. Default: it keeps all. */
  keeps?(event: Event): boolean
  /** `last`: the state depends on the last event alone, so only that one is read. Default `whole`. */
  readonly memory?: 'whole' | 'last'
}

export const nothing = { events: [] } as const
export const refuse = <Refusal>(refused: Refusal): { refused: Refusal } => ({ refused })
