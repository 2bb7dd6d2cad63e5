import type { Position } from '../stores/event-log.ts'
import type { HttpPorts } from './ports.ts'
import { Problem } from './problem.ts'

/** How long a read waits for this node's views. Source: native contract, section 1. */
const caughtUpWithinMs = 2_000

/** Digits, with one separator where an adapter needs a pair. */
const form = /^\d{1,40}([-:/]\d{1,40})?$/

/** A position as a client sent it; throws the problem `invalid` that names `where`. */
export const parsePosition = (text: string, where: string): Position => {
  if (form.test(text)) return text
  throw new Problem('invalid', `${where} is not a position of this server`, {
    errors: [{ pointer: where, message: 'malformed' }],
  })
}

/** Resolves when the views hold `position`; throws the problem `not-caught-up`. */
export const waitForPosition = async ({ projections }: Pick<HttpPorts, 'projections'>, position: Position): Promise<void> => {
  if (await projections.reached(position, { timeoutMs: caughtUpWithinMs })) return
  throw new Problem('not-caught-up', `the views have not reached position ${position} yet`)
}

/** The same for a write that is already recorded: its answer may be older, but it is never refused. */
export const settle = async ({ projections }: Pick<HttpPorts, 'projections'>, position: Position | null): Promise<boolean> =>
  position === null || projections.reached(position, { timeoutMs: caughtUpWithinMs })
