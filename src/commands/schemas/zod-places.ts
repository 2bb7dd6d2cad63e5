import type { z } from 'zod'
import type { SchemaPlace } from './schema-place.ts'

type Schema = z.core.$ZodType

/** The parts of a Zod schema that this walk looks at; every schema type has some of them. */
interface Definition {
  readonly type: string
  readonly shape?: Readonly<Record<string, Schema>>
  readonly catchall?: Schema
  readonly element?: Schema
  readonly innerType?: Schema
  readonly valueType?: Schema
  readonly in?: Schema
  readonly left?: Schema
  readonly right?: Schema
  readonly rest?: Schema | null
  readonly items?: readonly Schema[]
  readonly options?: readonly Schema[]
  readonly getter?: () => Schema
}

const definitionOf = (schema: Schema): Definition => schema._zod.def as unknown as Definition

/** Whether the schema itself says `.meta({ secret: true })`. */
const isSecret = (schema: Schema): boolean => (schema as z.ZodType).meta()?.secret === true

/** The schema and everything that describes the same value: inner types, union members, the input side of a pipe. */
const samePlace = (schema: Schema): readonly Schema[] => {
  const { innerType, in: input, left, right, options = [], getter } = definitionOf(schema)
  const others = [innerType, input, left, right, ...options, getter?.()].filter((other) => other !== undefined)
  return [schema, ...others.flatMap(samePlace)]
}

const memberSchemas = (schemas: readonly Schema[], name: string): readonly Schema[] =>
  schemas.flatMap((schema) => {
    const { shape, catchall, valueType } = definitionOf(schema)
    const member = shape !== undefined && Object.hasOwn(shape, name) ? shape[name] : (catchall ?? valueType)
    return member ?? []
  })

const itemSchemas = (schemas: readonly Schema[], index: number): readonly Schema[] =>
  schemas.flatMap((schema) => {
    const { element, items, rest } = definitionOf(schema)
    const item = element ?? items?.[index] ?? rest ?? undefined
    return item ?? []
  })

/** A test whether a schema, or any below it, is a certain one; each schema is looked at once. */
const anywhere = (isMeant: (schema: Schema) => boolean): ((schema: Schema) => boolean) => {
  const known = new WeakMap<Schema, boolean>()
  const holds = (schema: Schema): boolean => {
    const cached = known.get(schema)
    if (cached !== undefined) return cached
    known.set(schema, false) // a recursive schema meets itself again here
    const { shape = {}, catchall, valueType, element, items = [], rest } = definitionOf(schema)
    const below = [...Object.values(shape), catchall, valueType, element, ...items, rest ?? undefined]
    const places = samePlace(schema)
    const answer = places.some(isMeant) || places.slice(1).some(holds) || below.some((part) => part !== undefined && holds(part))
    known.set(schema, answer)
    return answer
  }
  return holds
}

/** Most kinds have no secrets, and their inputs need no walk. */
export const holdsSecrets = anywhere(isSecret)

/** Whether a member of it, however deep, is `sealed()`. */
export const holdsSealed: (schema: z.ZodType) => boolean = anywhere((schema) => (schema as z.ZodType).meta()?.sealed === true)

/** The place that some schemas describe together. */
export const zodPlace = (described: readonly Schema[]): SchemaPlace | undefined => {
  if (described.length === 0) return undefined
  const schemas = described.flatMap(samePlace)
  return {
    isSecret: schemas.some(isSecret),
    member: (name) => zodPlace(memberSchemas(schemas, name)),
    item: (index) => zodPlace(itemSchemas(schemas, index)),
  }
}
