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

/** Caller and server of a call, as named in messages; never with a password. */
export interface Asked {
  /** Host and port. */
  readonly server: string
  /** The caller as the server sees it, such as `the user "admin"`; undefined if the connection string names no user. */
  readonly caller: string | undefined
}

/** An `Unavailable` for people: who was asked, what is wrong, and never a password. `right`: what the user must be allowed for it. */
export const unavailable = (asked: Asked, doing: string, error: unknown, right: string): Unavailable =>
  error instanceof Unavailable
    ? error
    : new Unavailable(
        `EventStoreDB at ${asked.server} ${doing}: ${faultOf(error) === 'access-denied' ? denial(asked, error, right) : reasonOf(error)}`,
      )

/** What the server answers to a wrong name or password; what the user may not do has another code, or none. Source: gRPC status codes. */
const unauthenticated = 16

const denial = ({ caller }: Asked, error: unknown, right: string): string => {
  if (isObject(error) && error.code === unauthenticated) return 'the user or the password is wrong'
  if (caller === undefined) return 'the server wants a user and a password: esdb://user:password@host'
  return `${caller} is not allowed to ${right}; members of the group $admins are`
}

/** Some errors of the client have an empty message: then their kind is said. */
export const reasonOf = (error: unknown): string => {
  const text = messageOf(error)
  const fault = faultOf(error)
  // What EventStoreDB does with a request that says https on a connection without TLS.
  if (/RST_STREAM with code 1\b/.test(text))
    return `the server reset the call (${text}); it does not work behind a proxy that terminates TLS: give the certificate to the server itself`
  if (/certificate|SSL|TLS|wrong version number|self.signed/i.test(text)) return `TLS failed (${text}); see tls and tlsCAFile`
  if (/ENOTFOUND|EAI_AGAIN|Name resolution failed/i.test(text)) return `the host name is not known (${text})`
  if (/ECONNREFUSED/.test(text)) return `nothing listens on that address (${text})`
  if (/EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/.test(text)) return `the host cannot be reached (${text})`
  return text || fault
}
