import type { CommandContext } from '../../commands/execute.ts'
import type { Clock } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import type { Known } from '../../projections/known.ts'
import type { Principal } from '../../stores/credentials/credentials.ts'
import type { Position } from '../../stores/event-log.ts'
import type { BodyBudget } from '../reading/body-budget.ts'
import type { ClientAddress } from '../server/client-address.ts'
import type { Arrival } from './arrival.ts'
import type { ReceivedBody } from './received-body.ts'

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

/** Aborts when the client goes away before it was answered whole. */
export const goneSignal = (c: HttpContext): AbortSignal => {
  c.gone ??= signalOf(c)
  return c.gone
}

/** One for all waits of a request: each listens to the response once. */
const signalOf = ({ outgoing, request }: HttpContext): AbortSignal => {
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

/** One request as routes see it, and what the server learns of it on the way. */
export interface HttpContext extends Arrival {
  /** The face that serves it; null for the native API. */
  readonly face: string | null
  /** The path as its face matches it (`Face.pathOf`). */
  readonly path: string
  /** Who asks; `nobody` (no scopes) where credentials are demanded and none, or wrong ones, came. Set before a route sees the request. */
  principal: Principal
  authenticated: boolean
  /** From where the request came; the client's address where it came through a trusted proxy. */
  readonly clientAddress: ClientAddress
  readonly traceparent: string
  /** Made when it is first asked for: reads have no command. */
  command: CommandContext | undefined
  /** Made when it is first asked for, by `goneSignal`. */
  gone: AbortSignal | undefined
  /** A crash lies between this request and an earlier one with the same `Idempotency-Key`. */
  repeated: boolean
  readonly maxBodyBytes: number
  readonly bodies: BodyBudget
  /** A body of which no byte comes for this long is given up. */
  readonly bodyIdleMs: number
  readonly clock: Clock
  /** What the body takes of it. */
  heldBytes: number
  /** What it may read; there is no other way to read. */
  known: Known
  readonly caused: Caused
  /** The bytes of the body once they were read. */
  body: Promise<Buffer> | undefined
  /** The body of a route that takes it as a stream (`FaceRoute.receive`). */
  received: ReceivedBody | undefined
}
