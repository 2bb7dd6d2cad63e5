import type { CommandContext } from '../commands/execute.ts'
import { newId } from '../lib/ids.ts'
import type { Principal } from '../stores/credentials.ts'
import type { Position } from '../stores/event-log.ts'
import type { Arrival } from './arrival.ts'
import type { HttpContext } from './face.ts'

/** What a command of this request caused; it becomes headers of the answer. */
export interface Caused {
  /** `Event-Position` */
  position?: Position | null
  /** `Operation-Id` */
  operationId?: string
  /** `ETag` */
  revision?: number
}

/**
 * `{commandId, actor, correlationId, traceparent}` for the one command of this request. The command id is the claimed one where
 * the client sent an `Idempotency-Key`, so that a repetition is the same command.
 */
export const requestContext = (c: HttpContext): CommandContext => {
  c.command ??= contextOf(c, newId())
  return c.command
}

const contextOf = (c: HttpContext, id: string): CommandContext => ({
  commandId: id,
  correlationId: id,
  actor: { principal: c.principal.name, face: c.face, address: c.clientAddress(c) },
  traceparent: c.traceparent,
})

export const principalOf = (c: HttpContext): Principal => c.principal

/** A request header by its name in lower case. */
export const headerOf = ({ headers }: Pick<Arrival, 'headers'>, name: Lowercase<string>): string | undefined => {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}

/** Aborts when the client goes away before it was answered whole. */
export const goneSignal = ({ outgoing, request }: HttpContext): AbortSignal => {
  if (outgoing === undefined) return request?.signal ?? new AbortController().signal
  const gone = new AbortController()
  const leave = (): void => {
    if (!outgoing.writableFinished) gone.abort()
  }
  if (outgoing.closed) leave()
  else outgoing.once('close', leave)
  return gone.signal
}

/** Tells the server what a command caused: it becomes `Event-Position`, `Operation-Id` and `ETag`, on faces where the switch allows. */
export const caused = (c: HttpContext, result: Caused): void => {
  Object.assign(c.caused, result)
}
