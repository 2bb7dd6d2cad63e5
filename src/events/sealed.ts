import { z } from 'zod'
import { isObject, type JsonValue } from '../lib/json.ts'

/**
 * How a secret stands in an event: unreadable without the key of its subject. A secret member of an operation's input names none where it is
 * the operation's own.
 */
export interface Sealed {
  readonly $sealed: string
  readonly subject?: string
}

/**
 * The schema of a sealed value: of a member of an event, or of a kind's input. Only what opens it by name sees the secret (a work by
 * `WorkContext.open`, a service by `openValue`). The face declares the definition in `sealed`, so that `GET /v1/secrets` lists its subjects.
 */
export const sealed = () => z.strictObject({ $sealed: z.string(), subject: z.string() }).meta({ sealed: true })
export type SealedValue = z.infer<ReturnType<typeof sealed>>

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

/** Every sealed value in it. One list for all: lists of lists of a megabyte of small members take 25 ms and much garbage. */
export const sealedIn = (value: unknown, found: Sealed[] = []): readonly Sealed[] => {
  if (isSealed(value)) found.push(value)
  else if (Array.isArray(value)) for (const item of value) sealedIn(item, found)
  else if (isObject(value)) for (const name in value) sealedIn(value[name], found)
  return found
}

/** The subject of an operation's secrets, and of its retries': forgetting it makes them unreadable for ever. */
export const sealingSubject = (operationId: string): string => `operation-${operationId}`
