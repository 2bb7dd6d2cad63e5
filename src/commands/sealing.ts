import type { z } from 'zod'
import { isSealed, type SealedValue, sealingSubject } from '../events/sealed.ts'
import { isObject, type JsonValue } from '../lib/json.ts'
import type { Secrets } from '../stores/secrets.ts'
import { jsonSchemaOf } from './schemas/json-schema-input.ts'
import { jsonSchemaHoldsSecrets, jsonSchemaPlace } from './schemas/json-schema-places.ts'
import type { SchemaPlace } from './schemas/schema-place.ts'
import { holdsSecrets, zodPlace } from './schemas/zod-places.ts'

/** Replaces the values of all secret members. The schema decides which ones these are, never the look of the value. */
const changeSecrets = async (
  place: SchemaPlace | undefined,
  value: JsonValue,
  change: (secret: JsonValue) => Promise<JsonValue>,
): Promise<JsonValue> => {
  if (place === undefined || value === null) return value
  if (place.isSecret) return change(value)
  if (Array.isArray(value))
    return Promise.all(value.map((item, index) => changeSecrets(place.item(index), item as JsonValue, change)))
  if (!isObject(value)) return value
  const members = await Promise.all(
    Object.entries(value).map(
      async ([name, member]) => [name, await changeSecrets(place.member(name), member as JsonValue, change)] as const,
    ),
  )
  return Object.fromEntries(members)
}

/** What a schema says of a value, whichever language it is written in; undefined where there is no secret anywhere. */
const secretsIn = (schema: z.ZodType): SchemaPlace | undefined => {
  const written = jsonSchemaOf(schema)
  if (written !== undefined) return jsonSchemaHoldsSecrets(written) ? jsonSchemaPlace(written) : undefined
  return holdsSecrets(schema) ? zodPlace([schema]) : undefined
}

/** The input as it may stand in an event: members whose schema has the meta `secret: true` are sealed for the operation, or another subject. */
export const sealInput = async (
  schema: z.ZodType,
  input: JsonValue,
  operationId: string,
  secrets: Secrets,
  subject = sealingSubject(operationId),
): Promise<JsonValue> =>
  changeSecrets(secretsIn(schema), input, async (secret) => ({
    $sealed: await secrets.seal(subject, JSON.stringify(secret)),
    ...(subject === sealingSubject(operationId) ? {} : { subject }),
  }))

/** The sealed input in clear, its secret texts so that they can be kept out of messages, and whose they are: undefined without any. */
export const openInput = async (
  schema: z.ZodType,
  input: JsonValue,
  operationId: string,
  secrets: Secrets,
): Promise<{ readonly input: JsonValue; readonly secretTexts: readonly string[]; readonly subject?: string }> => {
  const secretTexts: string[] = []
  let subject: string | undefined
  const opened = await changeSecrets(secretsIn(schema), input, async (sealed) => {
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

/** For works and services, and routes of a face whose contract shows the secret. Throws `SecretForgotten` where the subject was forgotten, `Unavailable` with another master key. */
export const openValue = async ({ $sealed, subject }: SealedValue, secrets: Pick<Secrets, 'open'>): Promise<JsonValue> =>
  JSON.parse(await secrets.open(subject, $sealed)) as JsonValue

/** The texts and numbers of a secret: what must not show in anything that is said. */
export const textsIn = (value: JsonValue): readonly string[] => {
  if (typeof value === 'string') return [value]
  if (typeof value === 'number') return [String(value)]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap((member) => textsIn(member as JsonValue)) : []
}
