import { z } from 'zod'
import { isObject, type JsonObject, type JsonValue } from './json.ts'

/**
 * Any JSON value, taken as it is. What comes out of `JSON.parse` needs no check, and Zod's own schema copies it member by member
 * (a megabyte of small members: 1.1 s and 20 MB) and loses members named `__proto__`.
 */
export const anyJson = z.unknown() as unknown as z.ZodType<JsonValue, JsonValue>

/** Any JSON object, taken as it is. */
export const anyJsonObject = z
  .unknown()
  .check(({ value, issues }) => {
    if (!isObject(value)) issues.push({ code: 'invalid_type', expected: 'record', input: value })
  })
  .meta({ type: 'object' }) as unknown as z.ZodType<JsonObject, JsonObject>
