/** Any value that JSON (RFC 8259) can carry. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
/** A JSON object; the only shape that an event's data may have at its top. */
export interface JsonObject {
  readonly [member: string]: JsonValue | undefined
}

/** True for objects that are neither null nor arrays. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Whether objects and arrays stand in each other on more levels than that. */
export const isDeeperThan = (value: unknown, levels: number): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (levels === 0 || Object.values(value).some((member) => isDeeperThan(member, levels - 1)))

/**
 * What `JSON.parse(JSON.stringify(value))` gives, without the way through text (0.35 instead of 2 µs for an event); undefined where a
 * value is not plain: members without a value, numbers that JSON cannot carry, dates, anything with a class or a `toJSON`.
 */
export const plainCopy = (value: unknown): JsonValue | undefined => {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0) ? value : undefined
    case 'object':
      if (value === null) return null
      switch (Object.getPrototypeOf(value)) {
        case Object.prototype:
          return copyOfObject(value as JsonObject)
        case Array.prototype:
          return copyOfArray(value as readonly unknown[])
      }
  }
  return undefined
}

const copyOfObject = (object: JsonObject): JsonObject | undefined => {
  const copy: Record<string, JsonValue> = {}
  for (const name in object) {
    const member = plainCopy(object[name])
    // Assigned, the one name would make a prototype of its value.
    if (member === undefined || name === '__proto__') return undefined
    copy[name] = member
  }
  return copy
}

const copyOfArray = (array: readonly unknown[]): JsonValue[] | undefined => {
  if ('toJSON' in array) return undefined
  const copy: JsonValue[] = []
  for (const item of array) {
    const member = plainCopy(item)
    if (member === undefined) return undefined
    copy.push(member)
  }
  return copy
}
