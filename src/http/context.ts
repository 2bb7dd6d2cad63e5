import type { CommandContext } from '../commands/execute.ts'
import type { Principal } from '../stores/credentials.ts'
import type { Position } from '../stores/event-log.ts'
import type { HttpContext } from './face.ts'

/** What the server knows of a request before any route sees it. */
export interface RequestState {
  /** The path as sent, without the query. */
  readonly path: string
  readonly method: string
  readonly principal: Principal
  readonly command: CommandContext
  /** Collected while the route works; the server makes headers of it. */
  readonly answer: {
    position?: Position
    operationId?: string
    location?: string
    revision?: number
  }
  readonly maxBodyBytes: number
  /** The bytes of the body once they were read. */
  body?: Promise<Buffer>
}

/**
 * `{commandId, actor, correlationId, traceparent}` for the one command of this request. The command id is the claimed one where
 * the client sent an `Idempotency-Key`, so that a repetition is the same command.
 */
export const requestContext = (c: HttpContext): CommandContext => c.env.state.command

export const principalOf = (c: HttpContext): Principal => c.env.state.principal

/** Tells the server what a command caused: it becomes `Event-Position`, `Operation-Id` and the like. */
export const caused = (c: HttpContext, result: RequestState['answer']): void => {
  Object.assign(c.env.state.answer, result)
}
