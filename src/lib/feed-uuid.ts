import type { JsonValue } from './json.ts'

/** A `uuid` as it is kept and compared: as it is where it is a text, else its JSON text. */
export const uuidOf = (value: JsonValue): string => (typeof value === 'string' ? value : JSON.stringify(value))
