import { z } from 'zod'
import { planTask } from '../../../commands/robot/plan-task.ts'
import type { ActionInput } from '../../../commands/robot/task.ts'
import { parseTemplateReference } from '../../../commands/robot/template-uid.ts'
import type { SubmitRequest } from '../../../commands/submit.ts'
import { Unavailable } from '../../../lib/errors.ts'
import { childId } from '../../../lib/ids.ts'
import type { JsonValue } from '../../../lib/json.ts'
import { anyJsonObject } from '../../../lib/json-schemas.ts'
import { type RobotService, serviceQueries } from '../../../projections/robot/services.ts'
import { templateQueries } from '../../../projections/robot/templates.ts'
import { commandFrom } from '../../command-from.ts'
import type { WorkContext } from '../../work.ts'
import type { RobotPorts } from '../robot-ports.ts'
import type { KnownSecrets } from './known-secrets.ts'

/** A task that another one asked for, with its id. Secret arguments are sealed. */
export interface ScheduledTask {
  readonly id: string
  readonly request: SubmitRequest
}

/** A member of the reply's `schedule`. Source: robot contract, section 6.2. */
const Entry = z.object({
  service: z.union([z.string(), z.object({ template: z.string().nullish(), name: z.string().nullish() })]),
  action: z.string(),
  args: anyJsonObject.nullish(),
})

/** The tasks that a reply asks for; the output tells of entries that are none. Their ids derive from that of the task. */
export const planScheduled = async (
  entries: readonly JsonValue[],
  { projections }: Pick<RobotPorts, 'projections'>,
  secrets: KnownSecrets,
): Promise<readonly ScheduledTask[]> => {
  const { operationId, output } = secrets.context
  const planned: ScheduledTask[] = []
  for (const [index, entry] of entries.entries()) {
    const request = await requestOf(entry, projections, secrets)
    if (typeof request === 'string') await output(`schedule/${index} is passed over: ${request}\n`, 'stderr')
    else planned.push({ id: childId(operationId, index), request })
  }
  return planned
}

/** The request that an entry stands for, or why it stands for none. */
const requestOf = async (
  entry: JsonValue,
  projections: RobotPorts['projections'],
  { sealFor, sealHidden }: KnownSecrets,
): Promise<SubmitRequest | string> => {
  const target = targetOf(entry, projections)
  if (typeof target === 'string') return target
  const { guid, templateUid, commit } = target.service
  const template = templateQueries(projections.views('robot-templates')).bound(templateUid, commit)
  if (template === undefined) return `there is no template ${templateUid} at ${commit}`
  const { request, refused } = await planTask(target.service, template.manifest, target, sealFor(guid))
  if (refused !== undefined) return refused.message
  const input = request.input as unknown as ActionInput
  const args = await sealHidden(input.args, guid)
  return { ...request, input: { ...input, args } }
}

/** Requests them; again it requests nothing else. */
export const submitScheduled = async (
  tasks: readonly ScheduledTask[],
  ports: Pick<RobotPorts, 'submit' | 'clock'>,
  context: WorkContext,
): Promise<void> => {
  for (const { id, request } of tasks) await submitPatiently(request, id, ports, context)
}

const againMs = 1_000

/** Requests an operation of this face; while the log is out of reach it is tried again, because what led to it cannot be done again. */
export const submitPatiently = async (
  request: SubmitRequest,
  id: string,
  { submit, clock }: Pick<RobotPorts, 'submit' | 'clock'>,
  context: WorkContext,
): Promise<void> => {
  for (;;) {
    try {
      const { refused } = await submit(request, commandFrom(context, id), { internal: true })
      if (refused === undefined) return
      throw new Error(`${request.kind} was refused: ${refused.reason}`)
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      await clock.sleep(againMs, context.signal)
    }
  }
}

interface Target {
  readonly service: RobotService
  readonly action: string
  readonly args: z.infer<typeof anyJsonObject>
}

/** The one service that is meant, or why there is none. */
const targetOf = (value: JsonValue, projections: RobotPorts['projections']): Target | string => {
  const parsed = Entry.safeParse(value)
  if (!parsed.success) return z.prettifyError(parsed.error)
  const { service, action, args } = parsed.data
  const queries = serviceQueries(projections.views('robot-services'))
  const selected = typeof service === 'string' ? [queries.byGuid(service) ?? []].flat() : select(service, queries)
  if (typeof selected === 'string') return selected
  const [one, ...others] = selected.filter(({ deleting }) => !deleting)
  if (one === undefined) return 'there is no such service'
  return others.length > 0 ? `${others.length + 1} services are meant` : { service: one, action, args: args ?? {} }
}

const select = (
  { template, name }: { readonly template?: string | null | undefined; readonly name?: string | null | undefined },
  { list }: ReturnType<typeof serviceQueries>,
): readonly RobotService[] | string => {
  const reference = template == null ? undefined : parseTemplateReference(template)
  if (template != null && reference === undefined) return `format of the template uid (${template}) not valid`
  const { name: templateName, ...parts } = reference ?? {}
  return list({ ...parts, template: templateName, name: name ?? undefined })
}
