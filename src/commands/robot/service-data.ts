import { z } from 'zod'
import { isSealed } from '../../events/sealed.ts'
import { isObject, type JsonObject, type JsonValue } from '../../lib/json.ts'

/** The words for the state of a part of a service. Source: robot contract, section 6.2. */
export const serviceStates = ['ok', 'error', 'warning', 'skipped'] as const

/** One change that a program reports: `state: null` deletes the tag, or the whole category where no tag is named. */
export const StateChange = z.object({
  category: z.string(),
  tag: z.string().optional(),
  state: z.enum(serviceStates).nullable(),
})
export type StateChange = z.infer<typeof StateChange>

/** One state, in the order in which category and tag first appeared. */
export interface ServiceState {
  readonly category: string
  readonly tag: string
  readonly state: (typeof serviceStates)[number]
}

/** What an attempt leaves behind: in the result of a success, in `error.details` of a failure. */
export interface LeftBehind {
  /** Members that take the place of those of the data, `null` too: what `update_data` does where no hook decides. */
  readonly members?: JsonObject | undefined
  /** JSON merge patch. A sealed value in it takes the place of whatever was there. */
  readonly data?: JsonObject | undefined
  readonly state?: readonly StateChange[] | undefined
}

export interface ServiceMemory {
  readonly data: JsonObject
  readonly state: readonly ServiceState[]
}

/** A service's memory after an attempt. Source: robot contract, section 6.2. */
export const remember = ({ data, state }: ServiceMemory, left: LeftBehind): ServiceMemory => ({
  data: mergePatch(withMembers(data, left.members), left.data ?? {}) as JsonObject,
  state: (left.state ?? []).reduce(changeState, state),
})

/** Entries, because the name `__proto__` is one as any other. */
const withMembers = (data: JsonObject, members: JsonObject | undefined): JsonObject =>
  members === undefined ? data : Object.fromEntries([...Object.entries(data), ...Object.entries(members)])

/** Sealed values count as texts. Source: RFC 7396, section 2. */
export const mergePatch = (target: JsonValue, patch: JsonValue): JsonValue => {
  if (!isObject(patch) || isSealed(patch)) return patch
  const merged = new Map(isObject(target) && !isSealed(target) ? Object.entries(target as JsonObject) : [])
  for (const [name, value] of Object.entries(patch as JsonObject)) {
    if (value === null) merged.delete(name)
    else if (value !== undefined) merged.set(name, mergePatch(merged.get(name) ?? null, value))
  }
  return Object.fromEntries(merged)
}

const changeState = (states: readonly ServiceState[], { category, tag, state }: StateChange): readonly ServiceState[] => {
  const isMeant = (one: ServiceState): boolean => one.category === category && (tag === undefined || one.tag === tag)
  if (state === null) return states.filter((one) => !isMeant(one))
  if (tag === undefined) return states
  if (states.some(isMeant)) return states.map((one) => (isMeant(one) ? { ...one, state } : one))
  // A category stands where its first tag stood.
  const last = states.findLastIndex((one) => one.category === category)
  const at = last < 0 ? states.length : last + 1
  return [...states.slice(0, at), { category, tag, state }, ...states.slice(at)]
}
