import { operation } from '../../../commands/operation.ts'
import type { BlueprintInput, BlueprintOutcome, BlueprintTask } from '../../../commands/robot/blueprint.ts'
import type { TemplateManifest } from '../../../commands/robot/manifest.ts'
import { type AskedTask, faultOfTask, planTask } from '../../../commands/robot/plan-task.ts'
import { openMembers, secretSubject } from '../../../commands/robot/secret-members.ts'
import { priorities, updateDataAction } from '../../../commands/robot/task.ts'
import type { BoundTemplate } from '../../../commands/robot/template.ts'
import { childId } from '../../../lib/ids.ts'
import { inParallel } from '../../../lib/in-parallel.ts'
import type { JsonObject } from '../../../lib/json.ts'
import { createPace } from '../../../lib/time-slice.ts'
import { serviceQueries } from '../../../projections/robot/services.ts'
import { boundManifests, templateQueries } from '../../../projections/robot/templates.ts'
import { commandFrom } from '../../command-from.ts'
import type { WorkContext } from '../../work.ts'
import type { RobotPorts } from '../robot-ports.ts'
import type { StandIns } from './blueprint-services.ts'
import { LateFailure } from './late-failure.ts'

const atATime = 32

/** What one attempt of a blueprint does to tasks; each may be done again. */
export const blueprintTasks = (
  { executor, projections, submit, clock }: RobotPorts,
  { services, updates, tasks }: BlueprintInput,
  context: WorkContext,
) => {
  const created = new Map(services.map(({ guid, create }) => [guid, create]))

  const manifestOfTemplate = boundManifests(templateQueries(projections.views('robot-templates')))
  const pace = createPace(clock)

  const bindingOf = (guid: string): BoundTemplate => {
    const ours = created.get(guid)
    if (ours !== undefined) return ours
    const found = serviceQueries(projections.views('robot-services')).byGuid(guid)
    if (found === undefined || found.deleting) throw new LateFailure({ reason: 'service-gone', guid })
    return found
  }

  const manifestOf = (guid: string): TemplateManifest => manifestOfTemplate(bindingOf(guid))

  const proposalId = (guid: string): string => childId(context.operationId, `update ${guid}`)

  /** All of them in the order of their requests: updates come before the tasks of the blueprint. */
  const all = (standIns: StandIns): readonly BlueprintTask[] => {
    const proposals = services.flatMap(({ guid, create, given }): readonly BlueprintTask[] => {
      const data: JsonObject = Object.fromEntries(Object.entries(create.data).filter(([member]) => given.includes(member)))
      if (!Object.hasOwn(standIns, guid) || given.length === 0) return []
      return [{ id: proposalId(guid), service: guid, action: updateDataAction, args: { data }, priority: priorities.system }]
    })
    return [...proposals, ...updates, ...tasks].map((task) => ({ ...task, service: standIns[task.service] ?? task.service }))
  }

  const opened = async ({ action, args }: BlueprintTask): Promise<AskedTask> => ({
    action,
    args: await openMembers(args, context.open),
  })

  const check = async (standIns: StandIns): Promise<void> => {
    for (const task of all(standIns)) {
      if (pace.enough()) await pace.rest()
      context.signal.throwIfAborted()
      const fault = faultOfTask(manifestOf(task.service), await opened(task))
      if (fault !== undefined) throw new LateFailure({ ...fault, action: task.action })
    }
  }

  const requestOne = async (task: BlueprintTask): Promise<void> => {
    context.signal.throwIfAborted()
    const { id, service: guid, action, priority } = task
    const seal = (value: Parameters<WorkContext['seal']>[1]) => context.seal(secretSubject(guid), value)
    const { request, refused } = await planTask({ guid }, manifestOf(guid), { ...(await opened(task)), priority }, seal)
    if (refused !== undefined) throw new LateFailure({ ...refused, action })
    const submitted = await submit(request, commandFrom(context, id), { internal: true })
    if (submitted.refused !== undefined) throw new Error(`${action} was refused: ${submitted.refused.reason}`)
  }

  /** Those of one service one after the other: they run in the order of their requests. */
  const request = async (standIns: StandIns): Promise<void> => {
    const queues = Map.groupBy(all(standIns), ({ service }) => service)
    await inParallel([...queues.values()], atATime, (queue) => inParallel(queue, 1, requestOne))
  }

  /** Those that were requested: the others are unknown. */
  const cancel = async (): Promise<void> => {
    const ids = [...services.map(({ guid }) => proposalId(guid)), ...[...updates, ...tasks].map(({ id }) => id)]
    for (const id of ids)
      await executor.execute(operation, { type: 'CancelOperation', id, reason: 'the blueprint was undone' }, commandFrom(context))
  }

  return {
    check,
    request,
    cancel,
    answered: (standIns: StandIns): BlueprintOutcome['tasks'] =>
      tasks.map(({ id, service }) => ({ id, service: standIns[service] ?? service })),
  }
}
