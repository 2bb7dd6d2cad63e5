import { z } from 'zod'
import type { JsonValue } from '../../lib/json.ts'
import type { JsonSchema } from './json-schema-places.ts'

/** Where a value does not fit: the way to the member, and why. Undefined where it fits. */
export type JsonSchemaCheck = (value: unknown) => { readonly path: readonly string[]; readonly message: string } | undefined

const written = new WeakMap<z.ZodType, JsonSchema>()

/** A JSON Schema in the place of a Zod schema: `check` tells whether a value fits it. */
export const jsonSchemaInput = (schema: JsonSchema, check: JsonSchemaCheck): z.ZodType<JsonValue> => {
  const input = z.unknown().check(({ value, issues }) => {
    const fault = check(value)
    if (fault !== undefined) issues.push({ code: 'custom', path: [...fault.path], message: fault.message, input: value })
  }) as unknown as z.ZodType<JsonValue>
  written.set(input, schema)
  return input
}

/** The JSON Schema that stands behind a Zod schema; undefined where there is none. */
export const jsonSchemaOf = (input: z.ZodType): JsonSchema | undefined => written.get(input)
