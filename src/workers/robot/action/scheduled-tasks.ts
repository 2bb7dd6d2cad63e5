import { z } from 'zod'
import { planTask } from '../../../commands/robot/plan-task.ts'
import { secretSubject } from '../../../commands/robot/secret-members.ts'
import { parseTemplateReference } from '../../../commands/robot/template-uid.ts'
import type { SubmitRequest } from '../../../commands/submit.ts'
import { Unavailable } from '../../../lib/errors.ts'
import { childId } from '../../../lib/ids.ts'
import type { JsonValue } from '../../../lib/json.ts'
import { anyJsonObject } from '../../../lib/json-schemas.ts'
import { type RobotService, serviceQueries } from '../../../projections/robot/services.ts'
import { templateQueries } from '../../../projections/robot/templates.ts'
import type { WorkContext } from '../../work.ts'
import { commandFrom } from '../command-from.ts'
import type { RobotPorts } from '../robot-ports.ts'

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
  { operationId, seal, output }: WorkContext,
): Promise<readonly ScheduledTask[]> => {
  const planned: ScheduledTask[] = []
  for (const [index, value] of entries.entries()) {
    const found = targetOf(value, projections)
    const manifest =
      typeof found === 'string'
        ? undefined
        : templateQueries(projections.views('robot-templates')).bound(found.service.templateUid, found.service.commit)?.manifest
    const task =
      typeof found === 'string' || manifest === undefined
        ? { refused: { message: typeof found === 'string' ? found : 'the template of the service is not there' } }
        : await planTask(found.service, manifest, found, (secret) => seal(secretSubject(found.service.guid), secret))
    if (task.refused === undefined) planned.push({ id: childId(operationId, index), request: task.request })
    else await output(`schedule/${index} is passed over: ${task.refused.message}\n`, 'stderr')
  }
  return planned
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
