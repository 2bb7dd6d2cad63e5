import { cloneKind } from '../../commands/robot/template.ts'
import type { OperationResource } from '../../projections/operations/operation-resource.ts'
import type { Reply } from '../replies/reply.ts'
import { robotError } from './error-body.ts'
import { messages } from './messages.ts'

/** 500 for an operation that ended without what was asked of it. Source: robot contract, section 3.2. */
export const operationFailed = ({ kind, state, error }: OperationResource, what: string): Reply => {
  if (error?.type === 'git-missing') return robotError(500, { message: messages.gitMissing })
  const isGit = error?.type === 'git-failed'
  const message = isGit ? error.message : `${what} has ended: ${state}${error === null ? '' : `, ${error.message}`}`
  const { stackTrace = '' } = (error?.details ?? {}) as { stackTrace?: string }
  return robotError(500, { message, ...(isGit || kind === cloneKind ? { stack_trace: stackTrace } : {}) })
}
