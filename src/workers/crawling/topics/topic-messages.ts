import type { TopicMessage } from '../../../bus/message-topics.ts'
import { derivedId, sha256 } from '../../../lib/ids.ts'
import { isObject, type JsonObject, type JsonValue } from '../../../lib/json.ts'

/**
 * The same message has the same id for every node and at every delivery. Its time and content count too: a topic that was made anew
 * begins again at offset 0.
 */
export const messageId = ({ topic, partition, offset, timestamp, value }: TopicMessage): string =>
  derivedId('message', topic, partition, offset, timestamp, sha256(value ?? ''))

/** The JSON of a message; undefined where it is none. */
export const jsonOf = ({ value }: TopicMessage): JsonValue | undefined => {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value ?? new Uint8Array())) as JsonValue
  } catch {
    return undefined
  }
}

export const objectOf = (message: TopicMessage): JsonObject | undefined => {
  const parsed = jsonOf(message)
  return isObject(parsed) ? (parsed as JsonObject) : undefined
}
