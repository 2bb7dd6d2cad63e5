import type { Answers } from '../replies/answers.ts'
import { json } from '../replies/json.ts'
import type { Reply } from '../replies/reply.ts'
import { messages } from './messages.ts'

export interface RobotError {
  readonly message: string
  /** Default: the status. */
  readonly code?: number
  /** What git said, where the contract names it. */
  readonly stack_trace?: string | undefined
  readonly errors?: string
}

/** Source: robot contract, section 1, "Error body". */
export const robotError = (
  status: number,
  { message, code = status, ...more }: RobotError,
  headers: Readonly<Record<string, string>> = {},
): Reply => json({ code, message, ...more }, status, headers)

/** The answer to whoever may not do this. Source: robot contract, section 1, "Auth". */
export const unauthorized = (message: string = messages.unauthorized): Reply =>
  robotError(401, { message }, { 'WWW-Authenticate': 'Bearer realm="Authentication Required"' })

/** What refusals are answered with: status and message. */
export type RobotAnswers<Refusal extends { readonly reason: string }, Asked = void> = Answers<
  Refusal,
  readonly [status: number, message: string],
  Asked
>
