/** Any value that JSON (RFC 8259) can carry. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
/** A JSON object; the only shape that an event's data may have at its top. */
export interface JsonObject {
  readonly [member: string]: JsonValue | undefined
}

/** True for objects that are neither null nor arrays. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
