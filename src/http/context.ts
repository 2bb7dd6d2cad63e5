import type { CommandContext } from '../commands/execute.ts'
import type { Principal } from '../stores/credentials.ts'
import type { Position } from '../stores/event-log.ts'
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

/** What the server knows of a request before any route sees it, and what it learns on the way. */
export interface RequestState {
  /** The path as sent, without the query. */
  readonly path: string
  readonly method: string
  /** Who asks; `nobody` (no scopes) where credentials are demanded and none, or wrong ones, came. */
  readonly principal: Principal
  readonly authenticated: boolean
  command: CommandContext
  /** A crash lies between this request and an earlier one with the same `Idempotency-Key`. */
  repeated: boolean
  readonly maxBodyBytes: number
  /** What went wrong before any face was asked: too much to do, or credentials that cannot be read. */
  readonly fault: unknown
  readonly caused: Caused
  /** The pattern of the route that answered, for metrics. */
  route: string | null
  /** The bytes of the body once they were read. */
  body?: Promise<Buffer>
}

/**
 * `{commandId, actor, correlationId, traceparent}` for the one command of this request. The command id is the claimed one where
 * the client sent an `Idempotency-Key`, so that a repetition is the same command.
 */
export const requestContext = (c: HttpContext): CommandContext => c.env.state.command

export const principalOf = (c: HttpContext): Principal => c.env.state.principal

/** Tells the server what a command caused: it becomes `Event-Position`, `Operation-Id` and `ETag`, on faces where the switch allows. */
export const caused = (c: HttpContext, result: Caused): void => {
  Object.assign(c.env.state.caused, result)
}
