import { messageOf, Unavailable } from '../../lib/errors.ts'
import { isObject } from '../../lib/json.ts'

/** What the client throws is told apart by `type`, or by the gRPC `code` of what it passes on as it is. */
export const faultOf = (error: unknown): string => {
  if (!isObject(error)) return 'unknown'
  if (typeof error.type === 'string') return error.type
  return typeof error.code === 'number' ? (byCode[error.code] ?? 'unknown') : 'unknown'
}

/** Source: gRPC status codes. */
const byCode: Readonly<Record<number, string>> = {
  1: 'cancelled',
  3: 'invalid-argument',
  4: 'deadline-exceeded',
  7: 'access-denied',
  10: 'timeout',
  14: 'unavailable',
  16: 'access-denied',
}

/** Faults that no repetition heals. */
export const isFinal = (error: unknown): boolean =>
  ['access-denied', 'stream-deleted', 'invalid-argument'].includes(faultOf(error))

/** An `Unavailable` for people: who was asked, what is wrong, and never a password. */
export const unavailable = (server: string, doing: string, error: unknown): Unavailable =>
  error instanceof Unavailable ? error : new Unavailable(`EventStoreDB at ${server} ${doing}: ${reasonOf(error)}`)

/** Some errors of the client have an empty message: then their kind is said. */
export const reasonOf = (error: unknown): string => {
  const text = messageOf(error)
  const fault = faultOf(error)
  if (fault === 'access-denied') return `the user or the password is wrong, or the user may not do this (${text || fault})`
  if (/certificate|SSL|TLS|wrong version number|self.signed/i.test(text)) return `TLS failed (${text}); see tls and tlsCAFile`
  if (/ENOTFOUND|EAI_AGAIN|Name resolution failed/i.test(text)) return `the host name is not known (${text})`
  if (/ECONNREFUSED/.test(text)) return `nothing listens there (${text})`
  if (/EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/.test(text)) return `the host cannot be reached (${text})`
  return text || fault
}
