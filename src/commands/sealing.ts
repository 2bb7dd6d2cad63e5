import type { z } from 'zod'
import { isSealed, type SealedValue, sealingSubject } from '../events/sealed.ts'
import { isObject, type JsonValue } from '../lib/json.ts'
import type { Secrets } from '../stores/secrets.ts'

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
    return member === undefined ? [] : samePlace(member)
  })

const itemSchemas = (schemas: readonly Schema[], index: number): readonly Schema[] =>
  schemas.flatMap((schema) => {
    const { element, items, rest } = definitionOf(schema)
    const item = element ?? items?.[index] ?? rest ?? undefined
    return item === undefined ? [] : samePlace(item)
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
const holdsSecrets = anywhere(isSecret)

/** Whether a member of it, however deep, is `sealed()`. */
export const holdsSealed: (schema: z.ZodType) => boolean = anywhere((schema) => (schema as z.ZodType).meta()?.sealed === true)

/** Replaces the values of all secret members. The schema decides which ones these are, never the look of the value. */
const changeSecrets = async (
  schemas: readonly Schema[],
  value: JsonValue,
  change: (secret: JsonValue) => Promise<JsonValue>,
): Promise<JsonValue> => {
  if (schemas.length === 0 || value === null) return value
  if (schemas.some(isSecret)) return change(value)
  if (Array.isArray(value))
    return Promise.all(value.map((item, index) => changeSecrets(itemSchemas(schemas, index), item as JsonValue, change)))
  if (!isObject(value)) return value
  const members = await Promise.all(
    Object.entries(value).map(
      async ([name, member]) => [name, await changeSecrets(memberSchemas(schemas, name), member as JsonValue, change)] as const,
    ),
  )
  return Object.fromEntries(members)
}

/** The input as it may stand in an event: members whose schema has the meta `secret: true` are sealed for the operation, or another subject. */
export const sealInput = async (
  schema: z.ZodType,
  input: JsonValue,
  operationId: string,
  secrets: Secrets,
  subject = sealingSubject(operationId),
): Promise<JsonValue> =>
  holdsSecrets(schema)
    ? changeSecrets(samePlace(schema), input, async (secret) => ({
        $sealed: await secrets.seal(subject, JSON.stringify(secret)),
        ...(subject === sealingSubject(operationId) ? {} : { subject }),
      }))
    : input

/** The sealed input in clear, its secret texts so that they can be kept out of messages, and whose they are: undefined without any. */
export const openInput = async (
  schema: z.ZodType,
  input: JsonValue,
  operationId: string,
  secrets: Secrets,
): Promise<{ readonly input: JsonValue; readonly secretTexts: readonly string[]; readonly subject?: string }> => {
  const secretTexts: string[] = []
  let subject: string | undefined
  if (!holdsSecrets(schema)) return { input, secretTexts }
  const opened = await changeSecrets(samePlace(schema), input, async (sealed) => {
    if (!isSealed(sealed)) return sealed
    subject = sealed.subject ?? sealingSubject(operationId)
    const clear = await openValue({ $sealed: sealed.$sealed, subject }, secrets)
    secretTexts.push(...textsIn(clear))
    return clear
  })
  return subject === undefined ? { input: opened, secretTexts } : { input: opened, secretTexts, subject }
}

/** Seals a value for a subject, as a member of an event or of an input that is `sealed()`. */
export const sealValue = async (subject: string, value: JsonValue, secrets: Secrets): Promise<SealedValue> => ({
  $sealed: await secrets.seal(subject, JSON.stringify(value)),
  subject,
})

/** For works and services alone. Throws `SecretForgotten` where the subject was forgotten, `Unavailable` with another master key. */
export const openValue = async ({ $sealed, subject }: SealedValue, secrets: Secrets): Promise<JsonValue> =>
  JSON.parse(await secrets.open(subject, $sealed)) as JsonValue

/** The texts and numbers of a secret: what must not show in anything that is said. */
export const textsIn = (value: JsonValue): readonly string[] => {
  if (typeof value === 'string') return [value]
  if (typeof value === 'number') return [String(value)]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap((member) => textsIn(member as JsonValue)) : []
}
