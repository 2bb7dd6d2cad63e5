import type { TemplateManifest } from '../../../commands/robot/manifest.ts'
import type { WorkContext } from '../../work.ts'
import type { ProgramReport, ProgramService, TemplatePrograms } from './template-programs.ts'

/** A delete action may take so long, whatever its manifest says. */
const longestDeleteS = 30

/**
 * Asks the validate hook of the template whether the service may be as it is: why not, or undefined. A service that is not created yet is
 * given as it would be. Source: robot contract, section 6.2.
 */
export const validate = async (
  programs: TemplatePrograms,
  { hooks }: TemplateManifest,
  service: ProgramService,
  context: WorkContext,
): Promise<string | undefined> => {
  const hook = hooks.validate
  if (hook === undefined) return undefined
  const call = { service, action: 'validate', args: {}, run: hook.run, timeoutS: hook.timeout, hook: 'validate' } as const
  return messageOfFailure(await programs.run(call, context))
}

/** Runs one of the delete actions of a service: why it failed, or undefined. Source: robot contract, section 7. */
export const runDeleteAction = async (
  programs: TemplatePrograms,
  { actions }: TemplateManifest,
  { service, action }: { readonly service: ProgramService; readonly action: string },
  context: WorkContext,
): Promise<string | undefined> => {
  const { run, timeout = 0 } = (Object.hasOwn(actions, action) ? actions[action] : undefined) ?? {}
  const timeoutS = timeout === 0 ? longestDeleteS : Math.min(timeout, longestDeleteS)
  return messageOfFailure(await programs.run({ service, action, args: {}, run, timeoutS, hook: 'delete' }, context))
}

const messageOfFailure = ({ failure, reply, stderr }: ProgramReport): string | undefined => {
  if (failure === undefined) return undefined
  if (failure.isServers) return failure.text
  return reply?.error?.message || stderr.findLast((line) => line.trim() !== '') || failure.text
}
