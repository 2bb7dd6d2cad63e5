/** How a command ends, for scripts. Source: native contract, section 7. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  /** The operation ended other than `succeeded`. */
  notSucceeded: 4,
  waitedTooLong: 5,
  outOfReach: 6,
} as const

/** Ends the command with a message for people on stderr and one of the exit codes. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
  readonly code: number
  constructor(outcome: keyof typeof exitCodes, message: string) {
    super(message)
    this.code = exitCodes[outcome]
  }
}
