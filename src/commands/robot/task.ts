import { z } from 'zod'
import { anyJsonObject } from '../../lib/json-schemas.ts'
import type { TemplateAction, TemplateManifest } from './manifest.ts'

/** One action of a service: a task. Its outcome is a `TaskResult`, or `TaskDetails` in its error. */
export const actionKind = 'robot.action'

export const ActionInput = z.strictObject({
  /** The guid of the service. The task runs under the template that the service is bound to when its turn comes. */
  service: z.string(),
  action: z.string(),
  /** With the defaults filled in; secret members are sealed for the service. */
  args: anyJsonObject,
})
export type ActionInput = z.infer<typeof ActionInput>

/** Without a time limit: far above every other one. */
export const tenYearsMs = 10 * 365 * 24 * 3_600_000

/** The order of what waits for one service. Source: robot contract, section 6.4. */
export const priorities = { system: 0, recurring: 5, normal: 10 } as const

/** Actions that every service has. Source: robot contract, section 6.3. */
export const updateDataAction = 'update_data'
export const deleteAction = 'delete'
export const saveAction = 'save'

const builtIn = (args: TemplateAction['args'] = {}): TemplateAction => ({ args, kwargs: false, timeout: 0, resume: 'rerun' })

const builtIns = new Map<string, TemplateAction>([
  [updateDataAction, builtIn({ data: { required: true, schema: { type: 'object' } } })],
  [deleteAction, builtIn()],
  [saveAction, builtIn()],
])

/** What can be asked for under a name: an action of the manifest, or a built-in one. */
export const actionOf = ({ actions }: TemplateManifest, name: string): TemplateAction | undefined =>
  builtIns.get(name) ?? (Object.hasOwn(actions, name) ? actions[name] : undefined)
