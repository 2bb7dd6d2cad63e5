import { isObject, type JsonValue } from '../../lib/json.ts'

/** A `uuid` as it is kept and compared: as it is where it is a text, else its JSON text. */
export const uuidOf = (value: JsonValue): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** Whether a payload is one for which a client may wait or poll: contract crawling, section 4.3. */
export const awaitedUuid = (payload: JsonValue): JsonValue | undefined => {
  if (!isObject(payload) || !Object.hasOwn(payload, 'uuid')) return undefined
  const uuid = payload.uuid as JsonValue
  return typeof uuid === 'object' && uuid !== null ? undefined : uuid
}
