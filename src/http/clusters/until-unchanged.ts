import type { Outcome } from '../../commands/execute.ts'
import { SecretForgotten } from '../../lib/errors.ts'
import { Problem } from '../replies/problem.ts'

const tries = 5

/**
 * What came of looking at a record and giving a command that was made for it. Where the record has changed in between, which `reasons` say,
 * or its secrets were forgotten, it is looked at again. Throws the problem `overloaded` where that happens again and again.
 */
export const untilUnchanged = async <State, Refusal extends { readonly reason: string }, Reason extends Refusal['reason']>(
  reasons: readonly Reason[],
  attempt: () => Promise<Outcome<State, Refusal>>,
): Promise<Outcome<State, Exclude<Refusal, { readonly reason: Reason }>>> => {
  for (let count = 0; count < tries; count++) {
    try {
      const outcome = await attempt()
      if (!reasons.some((reason) => reason === outcome.refused?.reason)) return outcome as never
    } catch (error) {
      if (!(error instanceof SecretForgotten)) throw error
    }
  }
  throw new Problem('overloaded', 'others are changing the same record; try again')
}
