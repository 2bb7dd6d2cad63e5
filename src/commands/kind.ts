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
  /** Where an operation with this valid input runs, as far as its request names no lane or no limits. Default: no lane, no limits. */
  readonly place?: (input: JsonValue, unnamed: { readonly lane: boolean; readonly limits: boolean }) => KindPlace
}

/** Where operations of a kind run, as far as the request does not say. `missing`: what of it cannot be made of the input. */
export interface KindPlace {
  readonly lane?: string | undefined
  readonly limits?: readonly string[] | undefined
  readonly missing?: readonly { readonly pointer: string; readonly message: string }[]
}

/** Why a kind that somebody wrote down cannot be used. `pointer` is a JSON Pointer into the file. */
export interface KindFault {
  readonly file: string
  readonly pointer: string
  readonly message: string
}

/** The policy of a kind of one's own whose manifest names none. Source: native contract, section 9. */
export const ownPolicy: Policy = {
  attempts: 3,
  timeoutMs: 15 * 60_000,
  backoff: { initialMs: 1_000, factor: 2, maxMs: 60_000 },
  whenLost: 'retry',
  lostAttempts: 5,
}

/** What the name of every kind of one's own begins with. */
export const ownPrefix = 'own.'

export interface FaultyKind {
  readonly kind: string
  readonly description: string
  readonly fault: KindFault
}

/** Kinds of work; those of one's own come and go while the process runs. */
export interface Kinds<Known extends Kind = Kind> {
  readonly all: readonly Known[]
  get(kind: string): Known | undefined
  /** Those that cannot be used as they are. */
  readonly faulty: readonly FaultyKind[]
  /** Whether kinds of one's own may come, named `own.…`. */
  readonly mayCome: boolean
  /** Calls the listener each time that kinds came, went or changed. */
  onChange(listener: () => void): void
}

/** Throws where two of them claim the same kind. `coming` are kinds that come and go, under names that no other kind has. */
export const createKinds = <Known extends Kind>(kinds: readonly Known[], coming: readonly Kinds<Known>[] = []): Kinds<Known> => {
  const byName = new Map<string, Known>()
  for (const one of kinds) {
    if (byName.has(one.kind)) throw new Error(`two works are registered for the kind ${one.kind}`)
    byName.set(one.kind, one)
  }
  return {
    get all() {
      return [...byName.values(), ...coming.flatMap(({ all }) => all)]
    },
    get: (kind) => byName.get(kind) ?? coming.map((source) => source.get(kind)).find((found) => found !== undefined),
    get faulty() {
      return coming.flatMap(({ faulty }) => faulty)
    },
    mayCome: coming.some(({ mayCome }) => mayCome),
    onChange: (listener) => {
      for (const source of coming) source.onChange(listener)
    },
  }
}

/** Those of the kinds that match. `mayCome`: whether kinds of one's own could. */
export const chooseKinds = <Known extends Kind>(
  kinds: Kinds<Known>,
  { matches, mayCome }: { readonly matches: (kind: string) => boolean; readonly mayCome: boolean },
): Kinds<Known> => ({
  get all() {
    return kinds.all.filter(({ kind }) => matches(kind))
  },
  get: (kind) => (matches(kind) ? kinds.get(kind) : undefined),
  get faulty() {
    return kinds.faulty.filter(({ kind }) => matches(kind))
  },
  mayCome: kinds.mayCome && mayCome,
  onChange: kinds.onChange,
})
