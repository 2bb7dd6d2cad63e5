import { isObject, type JsonObject, type JsonValue } from '../../lib/json.ts'
import type { SchemaPlace } from './schema-place.ts'

/** A JSON Schema 2020-12; `true` takes everything. */
export type JsonSchema = JsonObject | boolean

/** How a schema marks its secrets. */
export interface SecretKeyword {
  /** The member that is true there. */
  readonly name: string
  /** The test that a name of `patternProperties` stands for. */
  pattern(text: string): { test(name: string): boolean }
}

/** The keyword of kinds of one's own. */
const ownKeyword: SecretKeyword = { name: 'secret', pattern: (text) => new RegExp(text, 'u') }

/** Keywords whose schemas describe the same value: one, a list of them, or one for each name. */
const sameOne = ['if', 'then', 'else'] as const
const sameLists = ['allOf', 'anyOf', 'oneOf'] as const

const schemaIn = (value: JsonValue | undefined): readonly JsonObject[] => (isObject(value) ? [value as JsonObject] : [])
const listIn = (value: JsonValue | undefined): readonly JsonObject[] => (Array.isArray(value) ? value.flatMap(schemaIn) : [])
const namedIn = (value: JsonValue | undefined): readonly JsonObject[] =>
  isObject(value) ? Object.values(value as JsonObject).flatMap(schemaIn) : []

/** What a reference within the schema (`#`, `#/$defs/name`) leads to. */
const referred = (root: JsonObject, reference: JsonValue | undefined): readonly JsonObject[] => {
  if (typeof reference !== 'string' || !isLocal(reference)) return []
  let found: JsonValue | undefined = root
  for (const part of reference.slice(1).split('/').slice(1)) {
    const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
    const held: JsonValue | undefined = found
    found = Array.isArray(held)
      ? held[Number(name)]
      : isObject(held) && Object.hasOwn(held, name)
        ? (held as JsonObject)[name]
        : undefined
  }
  return schemaIn(found)
}

const isLocal = (reference: string): boolean => reference === '#' || reference.startsWith('#/')

/** The schemas and all that describe the same value. */
const samePlace = (root: JsonObject, schemas: readonly JsonObject[]): readonly JsonObject[] => {
  const found = new Set<JsonObject>()
  const add = (schema: JsonObject): void => {
    if (found.has(schema)) return
    found.add(schema)
    for (const keyword of sameOne) schemaIn(schema[keyword]).forEach(add)
    for (const keyword of sameLists) listIn(schema[keyword]).forEach(add)
    namedIn(schema.dependentSchemas).forEach(add)
    referred(root, schema.$ref).forEach(add)
  }
  schemas.forEach(add)
  return [...found]
}

const memberSchemas = (schema: JsonObject, name: string, { pattern: testOf }: SecretKeyword): readonly JsonObject[] => {
  const { properties, patternProperties, additionalProperties, unevaluatedProperties } = schema
  const named = isObject(properties) && Object.hasOwn(properties, name) ? schemaIn((properties as JsonObject)[name]) : []
  const matching = isObject(patternProperties)
    ? Object.entries(patternProperties as JsonObject).flatMap(([pattern, below]) =>
        testOf(pattern).test(name) ? schemaIn(below) : [],
      )
    : []
  const others = [...schemaIn(additionalProperties), ...schemaIn(unevaluatedProperties)]
  return isObject(properties) && Object.hasOwn(properties, name) ? [...named, ...matching] : [...matching, ...others]
}

const itemSchemas = ({ prefixItems, items, unevaluatedItems, contains }: JsonObject, index: number): readonly JsonObject[] => {
  const first = Array.isArray(prefixItems) ? prefixItems[index] : undefined
  return [...(first === undefined ? [...schemaIn(items), ...schemaIn(unevaluatedItems)] : schemaIn(first)), ...schemaIn(contains)]
}

const placeOf = (root: JsonObject, described: readonly JsonObject[], keyword: SecretKeyword): SchemaPlace | undefined => {
  if (described.length === 0) return undefined
  const schemas = samePlace(root, described)
  return {
    isSecret: schemas.some((schema) => schema[keyword.name] === true),
    member: (name) =>
      placeOf(
        root,
        schemas.flatMap((schema) => memberSchemas(schema, name, keyword)),
        keyword,
      ),
    item: (index) =>
      placeOf(
        root,
        schemas.flatMap((schema) => itemSchemas(schema, index)),
        keyword,
      ),
  }
}

/** The place that a whole value has. */
export const jsonSchemaPlace = (schema: JsonSchema, keyword = ownKeyword): SchemaPlace | undefined =>
  isObject(schema) ? placeOf(schema, [schema], keyword) : undefined

/** Every object in a schema, itself first; also those where no keyword puts a schema, because a reference may lead there. */
const objectsIn = (value: JsonValue): readonly JsonObject[] => {
  const found: JsonObject[] = []
  const add = (part: JsonValue | undefined): void => {
    if (typeof part !== 'object' || part === null) return
    if (!Array.isArray(part)) found.push(part as JsonObject)
    for (const inside of Object.values(part)) add(inside as JsonValue)
  }
  add(value)
  return found
}

const known = new WeakMap<JsonObject, Map<string, boolean>>()

/** Most schemas have no secrets, and their inputs need no walk. */
export const jsonSchemaHoldsSecrets = (schema: JsonSchema, { name } = ownKeyword): boolean => {
  if (!isObject(schema)) return false
  const answers = known.get(schema) ?? new Map<string, boolean>()
  const cached = answers.get(name)
  if (cached !== undefined) return cached
  const answer = objectsIn(schema).some((part) => part[name] === true)
  known.set(schema, answers.set(name, answer))
  return answer
}

/**
 * A reference that leads out of the schema, or is found while it is applied, or an `$id` that gives references below it another root: where it
 * leads, secrets would not be seen.
 */
export const foreignReference = (schema: JsonSchema): string | undefined => {
  if (!isObject(schema)) return undefined
  for (const part of objectsIn(schema)) {
    const { $ref, $dynamicRef, $id } = part
    if (typeof $dynamicRef === 'string') return $dynamicRef
    if (typeof $ref === 'string' && !isLocal($ref)) return $ref
    if (typeof $id === 'string' && part !== schema) return $id
  }
  return undefined
}
