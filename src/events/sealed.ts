import { isObject, type JsonValue } from '../lib/json.ts'

/**
 * How a secret member of an operation's input stands in its events: unreadable without the key of its subject, which is the operation's own
 * where none is named.
 */
export interface Sealed {
  readonly $sealed: string
  readonly subject?: string
}

export const isSealed = (value: unknown): value is Sealed =>
  isObject(value) &&
  typeof value.$sealed === 'string' &&
  Object.entries(value).every(([name, member]) => name === '$sealed' || (name === 'subject' && typeof member === 'string'))

/** What is shown in place of a secret. Source: native contract, section 2. */
export const secretMask = '***'

/** The same value with every sealed member replaced by the mask: what views and answers may hold. */
export const masked = (value: JsonValue): JsonValue => {
  if (isSealed(value)) return secretMask
  if (Array.isArray(value)) return value.map(masked)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, masked(member as JsonValue)]))
}

/** The subject of an operation's secrets, and of its retries': forgetting it makes them unreadable for ever. */
export const sealingSubject = (operationId: string): string => `operation-${operationId}`
