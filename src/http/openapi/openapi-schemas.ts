import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { isObject, type JsonObject, type JsonValue } from '../../lib/json.ts'

/** The schemas of one document: each that has a name is one component, and what uses it refers to it. */
export interface Schemas {
  /** The schema as it stands in the document. Throws where two different schemas have one name, or a recursive one has none. */
  of(schema: z.ZodType, io: 'input' | 'output'): JsonValue
  named(): readonly (readonly [string, JsonValue])[]
}

/**
 * Converted by Zod itself, because JSON Schema 2020-12 is what OpenAPI 3.1 speaks and the registry's own conversion does not end on recursive
 * schemas (any JSON value is one).
 */
export const createSchemas = (): Schemas => {
  const components = new Map<string, JsonValue>()

  const keep = (name: string, schema: JsonValue): void => {
    const known = components.get(name)
    if (known !== undefined && !isDeepStrictEqual(known, schema)) throw new Error(`two different schemas are named ${name}`)
    components.set(name, schema)
  }

  return {
    of: (schema, io) => {
      const converted = z.toJSONSchema(schema, { io, unrepresentable: 'any', override }) as JsonObject
      const { $schema: _, $defs = {}, ...own } = converted as JsonObject & { $defs?: JsonObject }
      const names = new Map(
        Object.entries($defs as JsonObject).map(([name, definition]) => [name, nameOf(name, definition ?? null)]),
      )
      for (const [name, definition] of Object.entries($defs as JsonObject))
        keep(names.get(name) ?? name, names.get(name) === anyJson ? anyJsonSchema : hoisted(definition ?? true, names))
      const { id } = own
      if (typeof id !== 'string') return hoisted(own, names)
      keep(id, hoisted(own, names))
      return { $ref: `#/components/schemas/${id}` }
    },
    named: () => [...components],
  }
}

/** Zod bounds every integer by what a double holds: noise for readers, and the first value that tools make examples of. */
const override = ({ jsonSchema }: { readonly jsonSchema: z.core.JSONSchema.BaseSchema }): void => {
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
}

const anyJson = 'JsonValue'
/** Without its recursion, which says nothing more: TypeScript takes no type that refers to itself through `components`. */
const anyJsonSchema = { description: 'Any JSON value' }

/** Zod numbers recursive schemas without a name anew in each conversion; the only one is any JSON value (`z.json()`). */
const nameOf = (name: string, definition: JsonValue): string => {
  if (!name.startsWith('__schema')) return name
  const forms = isObject(definition) && Array.isArray(definition.anyOf) ? definition.anyOf.filter(isObject) : []
  const types = forms.map(({ type }) => type).sort()
  if (isDeepStrictEqual(types, ['array', 'boolean', 'null', 'number', 'object', 'string'])) return anyJson
  throw new Error(`a recursive schema needs a name: ${JSON.stringify(definition)}`)
}

/** Definitions move to `components`, and what refers to them follows; `id` there is a name, not a base URI. */
const hoisted = (value: JsonValue, names: ReadonlyMap<string, string>): JsonValue => {
  if (Array.isArray(value)) return value.map((item) => hoisted(item as JsonValue, names))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value as JsonObject).flatMap(([name, member]): [string, JsonValue][] => {
      if (member === undefined || (name === 'id' && typeof member === 'string')) return []
      const target = name === '$ref' && typeof member === 'string' ? /^#\/\$defs\/(.*)$/.exec(member)?.[1] : undefined
      return [[name, target === undefined ? hoisted(member, names) : `#/components/schemas/${names.get(target) ?? target}`]]
    }),
  )
}
