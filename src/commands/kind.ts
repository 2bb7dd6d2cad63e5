import type { z } from 'zod'
import type { Policy } from '../events/operation.ts'
import type { JsonValue } from '../lib/json.ts'

/** What requests for a kind of work are checked against; src/workers/work.ts adds how it is done. */
export interface Kind<Input = unknown> {
  readonly kind: string
  readonly face: string | null
  readonly description: string
  /** Whether `POST /v1/operations` may ask for it. */
  readonly submittable: boolean
  readonly input: z.ZodType<Input>
  /**
   * Adds to a valid input what is recorded with it because it must not be reckoned again later: the time of the request, what a list
   * said that may be another one in the next version. Default: recorded as it was submitted.
   */
  readonly complete?: (input: JsonValue) => JsonValue
  /** The blobs that a valid input names as files of the work; `pointer` is a JSON Pointer into the input. Unknown blobs are refused. */
  readonly files?: (input: JsonValue) => readonly { readonly pointer: string; readonly blob: string }[]
  readonly policy: Policy
  /** Operations of this kind go over targets: `from` is the JSON Pointer to their names in the input, 1 to 10,000 different texts. */
  readonly targets?: { readonly from: string }
}

/** Every kind of work that this process knows. */
export interface Kinds<Known extends Kind = Kind> {
  readonly all: readonly Known[]
  get(kind: string): Known | undefined
}

/** Throws where two of them claim the same kind. */
export const createKinds = <Known extends Kind>(kinds: readonly Known[]): Kinds<Known> => {
  const byName = new Map<string, Known>()
  for (const one of kinds) {
    if (byName.has(one.kind)) throw new Error(`two works are registered for the kind ${one.kind}`)
    byName.set(one.kind, one)
  }
  return { all: [...byName.values()], get: (kind) => byName.get(kind) }
}
