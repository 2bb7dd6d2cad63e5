import { secretMask } from '../events/sealed.ts'
import { isObject, type JsonValue } from '../lib/json.ts'

/** Keeps the secrets of one operation out of what its work says: messages, output, results. */
export interface Redaction {
  text(text: string): string
  json(value: JsonValue): JsonValue
}

/** Shorter secrets stand in too many innocent words. */
const shortest = 4

export const createRedaction = (secretTexts: readonly string[]): Redaction => {
  // The longest first: a secret may be the beginning of another one.
  const secrets = secretTexts.filter(({ length }) => length >= shortest).sort((one, other) => other.length - one.length)
  if (secrets.length === 0) return { text: (text) => text, json: (value) => value }
  const text = (shown: string): string => secrets.reduce((rest, secret) => rest.replaceAll(secret, secretMask), shown)
  const json = (value: JsonValue): JsonValue => {
    if (typeof value === 'string') return text(value)
    if (Array.isArray(value)) return value.map(json)
    if (!isObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, json(member as JsonValue)]))
  }
  return { text, json }
}
