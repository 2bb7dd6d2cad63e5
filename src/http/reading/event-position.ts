import { type EventLog, origin, type Position } from '../../stores/event-log.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { Problem } from '../replies/problem.ts'

/** How long a read waits for this node's views. Source: native contract, section 1. */
const caughtUpWithinMs = 2_000

/** Digits, with one separator where an adapter needs a pair. */
const form = /^\d{1,40}([-:/]\d{1,40})?$/

/**
 * A position as a client sent it; throws the problem `invalid` that names `where`. Positions compare as text, so all of one log but the
 * origin are of one length.
 */
export const parsePosition = async ({ log }: { readonly log: EventLog }, text: string, where: string): Promise<Position> => {
  if (text === origin) return origin
  const head = await log.head()
  if (form.test(text) && (head === origin || head.length === text.length)) return text
  throw new Problem('invalid', `${where} is not a position of this server`, {
    errors: [{ pointer: where, message: 'malformed' }],
  })
}

/** Resolves when the views hold `position`; throws the problem `not-caught-up`. */
export const waitForPosition = async ({ projections }: Pick<HttpPorts, 'projections'>, position: Position): Promise<void> => {
  if (await projections.reached(position, { timeoutMs: caughtUpWithinMs })) return
  throw new Problem('not-caught-up', `the views have not reached position ${position} yet`)
}

/** The same for a write that is already recorded: its answer may be older, but it is never refused. `names` are the views of what was written. */
export const settle = async (
  { projections }: Pick<HttpPorts, 'projections'>,
  position: Position | null,
  names: readonly string[] = ['operations'],
): Promise<boolean> => position === null || projections.reached(position, { timeoutMs: caughtUpWithinMs, names })

/** Resolves when these views hold everything that is recorded by now; throws the problem `not-caught-up`. Faults of other views do not count. */
export const catchUp = async (
  { log, projections }: Pick<HttpPorts, 'log' | 'projections'>,
  names: readonly string[],
): Promise<void> => {
  if (await projections.reached(await log.head(), { names })) return
  throw new Problem('not-caught-up', `the views ${names.join(' and ')} have not reached the end of the log`)
}
