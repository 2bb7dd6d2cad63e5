import type { Policy } from '../../events/operation.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import type { SubmitRequest } from '../submit.ts'
import type { TemplateAction, TemplateManifest } from './manifest.ts'
import { type Seal, sealMembers } from './secret-members.ts'
import { type ActionInput, actionKind, actionOf, priorities, tenYearsMs, updateDataAction } from './task.ts'
import { serviceLane } from './template.ts'
import { templateSchema } from './template-schema.ts'

/** An action as somebody asks for it. */
export interface AskedTask {
  readonly action: string
  readonly args: JsonObject
}

/** Why it cannot be a task; `message` is the text of the contract, section 3.2. */
export interface TaskRefusal {
  readonly reason: 'unknown-action' | 'bad-arguments'
  readonly message: string
}

/** The files of the template, the wait for its turn and the end of the program take no longer than this beside the program's own time. */
const marginMs = 2 * 3_600_000
/** Lost attempts in a row that end a task. */
const lostAttempts = 5

/** Whether the manifest has the action and takes the arguments; undefined where it does. Source: robot contract, sections 3.2 and 6.3. */
export const faultOfTask = (manifest: TemplateManifest, { action, args }: AskedTask): TaskRefusal | undefined => {
  const asked = actionOf(manifest, action)
  if (asked === undefined) return { reason: 'unknown-action', message: `action '${action}' not found` }
  const message = faultOfArguments(asked, args)
  return message === undefined ? undefined : { reason: 'bad-arguments', message }
}

/** The operation that a task is. Secret arguments are sealed by `seal`, for the service. */
export const planTask = async (
  { guid }: { readonly guid: string },
  manifest: TemplateManifest,
  { priority = priorities.normal, ...asked }: AskedTask & { readonly priority?: number },
  seal: Seal,
): Promise<
  | { readonly refused: TaskRefusal; readonly request?: undefined }
  | { readonly request: SubmitRequest; readonly refused?: undefined }
> => {
  const refused = faultOfTask(manifest, asked)
  const action = actionOf(manifest, asked.action)
  if (refused !== undefined || action === undefined) return { refused: refused as TaskRefusal }
  const input: ActionInput = { service: guid, action: asked.action, args: await sealedArguments(manifest, action, asked, seal) }
  return {
    request: {
      kind: actionKind,
      face: 'robot',
      input: input as unknown as JsonValue,
      lane: serviceLane(guid),
      priority,
      wholePolicy: policyOf(action),
    },
  }
}

const faultOfArguments = ({ args: declared, kwargs }: TemplateAction, args: JsonObject): string | undefined => {
  const missing = Object.entries(declared).find(
    ([name, one]) => one.required && one.default === undefined && !Object.hasOwn(args, name),
  )
  if (missing !== undefined) return `parameter ${missing[0]} is mandatory but not passed to in args`
  const others = Object.keys(args).filter((name) => !Object.hasOwn(declared, name))
  if (!kwargs && others.length > 0) return `arguments "${others.sort().join(',')}" are not present in the signature of the action`
  for (const [name, { schema }] of Object.entries(declared)) {
    if (schema === undefined || !Object.hasOwn(args, name)) continue
    const fault = templateSchema(schema as JsonObject).faultOf(args[name] as JsonValue)
    if (fault !== undefined) return `args/${name}${fault.pointer} ${fault.reason}`
  }
  return undefined
}

/** Filled with defaults. */
const sealedArguments = async (
  manifest: TemplateManifest,
  { args: declared }: TemplateAction,
  { action, args }: AskedTask,
  seal: Seal,
): Promise<JsonObject> => {
  const defaults = Object.entries(declared).filter(([name, one]) => one.default !== undefined && !Object.hasOwn(args, name))
  const filled = [...Object.entries(args), ...defaults.map(([name, one]) => [name, one.default] as const)]
  const schemaOf = (name: string): JsonObject | undefined => {
    if (action === updateDataAction) return manifest.schema as JsonObject | undefined
    return Object.hasOwn(declared, name) ? (declared[name]?.schema as JsonObject | undefined) : undefined
  }
  return Object.fromEntries(
    await Promise.all(
      filled.map(async ([name, value]) => [name, await sealMembers(schemaOf(name), value as JsonValue, seal)] as const),
    ),
  )
}

/** Source: robot contract, section 6.1. The time limit belongs to the work: the policy's is a backstop. */
const policyOf = ({ retry, timeout, resume }: TemplateAction): Policy => ({
  attempts: retry?.tries ?? 1,
  timeoutMs: timeout === 0 ? tenYearsMs : Math.min(Math.ceil(timeout * 1000) + marginMs, tenYearsMs),
  backoff: { initialMs: Math.min((retry?.delay ?? 0) * 1000, tenYearsMs), factor: retry?.backoff ?? 1, maxMs: tenYearsMs },
  whenLost: resume === 'fail' ? 'fail' : 'retry',
  lostAttempts,
})
