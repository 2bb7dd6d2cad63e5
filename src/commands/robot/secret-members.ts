import { servicePrefix } from '../../events/robot/service.ts'
import { isSealed, type SealedValue, sealedIn } from '../../events/sealed.ts'
import { isObject, type JsonObject, type JsonValue } from '../../lib/json.ts'
import { jsonSchemaHoldsSecrets, jsonSchemaPlace, type SecretKeyword } from '../schemas/json-schema-places.ts'
import type { SchemaPlace } from '../schemas/schema-place.ts'
import { mergePatch } from './service-data.ts'
import { linearPattern } from './template-schema.ts'

/** Seals one value; the caller says for whom. */
export type Seal = (value: JsonValue) => Promise<SealedValue>
/** Opens one value. */
export type Open = (sealed: SealedValue) => Promise<JsonValue>

/** Whose secrets those of a service are: forgetting them makes all that was sealed for it unreadable. */
export const secretSubject = (guid: string): string => `${servicePrefix}${guid}`

const keyword: SecretKeyword = { name: 'x-secret', pattern: linearPattern }

/** The place that a value has whose schema this is; undefined where it says of no secret. */
const placeIn = (schema: JsonObject | undefined): SchemaPlace | undefined =>
  schema !== undefined && jsonSchemaHoldsSecrets(schema, keyword) ? jsonSchemaPlace(schema, keyword) : undefined

/**
 * The value with its secret members sealed: those that the schema marks `"x-secret": true`, and whatever looks like a sealed value, so that
 * `openMembers` gives the same value again. Shown values are made of it by `masked`. Source: robot contract, section 6.2.
 */
export const sealMembers = async <Value extends JsonValue>(
  schema: JsonObject | undefined,
  value: Value,
  seal: Seal,
): Promise<Value> => {
  const place = placeIn(schema)
  if (place === undefined && sealedIn(value).length === 0) return value
  const secrets: JsonValue[] = []
  replaceSecrets(value, place, (secret) => {
    secrets.push(secret)
    return null
  })
  if (secrets.length === 0) return value
  const sealed = await Promise.all(secrets.map(seal))
  let next = 0
  return replaceSecrets(value, place, () => sealed[next++] as unknown as JsonValue) as Value
}

/** The same for a merge patch onto `clear`: a secret that is changed in part is sealed as a whole, as it is then. */
export const sealPatch = (
  schema: JsonObject | undefined,
  clear: JsonObject,
  patch: JsonObject,
  seal: Seal,
): Promise<JsonObject> => {
  const place = placeIn(schema)
  const whole = place === undefined ? patch : (wholeSecrets(patch, mergePatch(clear, patch), place) as JsonObject)
  return sealMembers(schema, whole, seal)
}

/** The value in clear. */
export const openMembers = async <Value extends JsonValue>(value: Value, open: Open): Promise<Value> => {
  const sealed = sealedIn(value)
  if (sealed.length === 0) return value
  const clear = await Promise.all(sealed.map((one) => open(one as SealedValue)))
  let next = 0
  return replaceSecrets(value, undefined, () => clear[next++] as JsonValue) as Value
}

/** The value with those of its texts and numbers sealed that are meant; what is sealed already stays. */
export const sealTexts = async <Value extends JsonValue>(
  value: Value,
  isMeant: (text: string | number) => boolean,
  seal: Seal,
): Promise<Value> => {
  const meant = new Set<string | number>()
  replaceTexts(value, (text) => {
    if (isMeant(text)) meant.add(text)
    return text
  })
  if (meant.size === 0) return value
  const sealed = new Map(await Promise.all([...meant].map(async (text) => [text, await seal(text)] as const)))
  return replaceTexts(value, (text) => (sealed.get(text) ?? text) as JsonValue) as Value
}

const replaceTexts = (value: JsonValue, replace: (text: string | number) => JsonValue): JsonValue => {
  if (typeof value === 'string' || typeof value === 'number') return replace(value)
  if (Array.isArray(value)) return value.map((item) => replaceTexts(item as JsonValue, replace))
  if (!isObject(value) || isSealed(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, replaceTexts(member as JsonValue, replace)]))
}

/** Secrets are replaced in the order in which `sealedIn` finds them. */
const replaceSecrets = (
  value: JsonValue,
  place: SchemaPlace | undefined,
  replace: (secret: JsonValue) => JsonValue,
): JsonValue => {
  if (isSealed(value) || (place?.isSecret === true && value !== null)) return replace(value)
  if (Array.isArray(value)) return value.map((item, index) => replaceSecrets(item as JsonValue, place?.item(index), replace))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, replaceSecrets(member as JsonValue, place?.member(name), replace)]),
  )
}

const wholeSecrets = (patch: JsonValue, merged: JsonValue | undefined, place: SchemaPlace | undefined): JsonValue => {
  if (place === undefined || merged === undefined || !isObject(patch)) return patch
  if (place.isSecret) return merged
  const beside = isObject(merged) ? new Map(Object.entries(merged as JsonObject)) : undefined
  return Object.fromEntries(
    Object.entries(patch).map(([name, member]) => [
      name,
      wholeSecrets(member as JsonValue, beside?.get(name), place.member(name)),
    ]),
  )
}
