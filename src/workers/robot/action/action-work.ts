import { ecoOf, type FailureDetails } from '../../../commands/robot/eco.ts'
import { deletionRequest } from '../../../commands/robot/lifecycle.ts'
import type { TemplateAction } from '../../../commands/robot/manifest.ts'
import { openMembers, sealPatch } from '../../../commands/robot/secret-members.ts'
import { type LeftBehind, mergePatch } from '../../../commands/robot/service-data.ts'
import { ActionInput, actionKind, actionOf, deleteAction, saveAction, updateDataAction } from '../../../commands/robot/task.ts'
import type { LoadedTemplate } from '../../../commands/robot/template.ts'
import { templateSchema } from '../../../commands/robot/template-schema.ts'
import { childId, newId } from '../../../lib/ids.ts'
import type { JsonObject, JsonValue } from '../../../lib/json.ts'
import { type RobotService, serviceQueries } from '../../../projections/robot/services.ts'
import { templateQueries } from '../../../projections/robot/templates.ts'
import { noBackoff, type Work, type WorkContext, WorkFailed } from '../../work.ts'
import { reachedBy } from '../caught-up.ts'
import type { RobotPorts } from '../robot-ports.ts'
import { type KnownSecrets, watchSecrets } from './known-secrets.ts'
import { planScheduled, type ScheduledTask, submitPatiently, submitScheduled } from './scheduled-tasks.ts'
import { type TaskHistory, taskHistory } from './task-history.ts'
import type { ProgramCall, ProgramReport } from './template-programs.ts'

type Ports = Pick<RobotPorts, 'log' | 'projections' | 'processes' | 'clock' | 'submit' | 'programs' | 'settings'>

/** What a task results in; the members of `LeftBehind` are folded into the service. */
export interface TaskResult extends LeftBehind {
  readonly result?: JsonValue
}

/** A task in the course of one attempt. */
interface Attempted {
  readonly service: RobotService
  readonly template: LoadedTemplate
  readonly action: string
  readonly spec: TemplateAction
  readonly args: JsonObject
  readonly history: TaskHistory
}

/** What a successful attempt came to, before its tasks are requested. */
interface Reached {
  readonly result: TaskResult
  readonly scheduled: readonly ScheduledTask[]
}

/** A reply with tasks to request is recorded under this name, so that an attempt after a crash requests these and runs nothing again. */
const replyStep = 'reply'

/** One action of a service. Source: robot contract, section 6. */
export const actionWork = (ports: Ports): Work => {
  const { log, projections, clock, programs, processes, settings } = ports

  const attempted = ({ service: guid, action, args }: ActionInput, history: TaskHistory, context: WorkContext): Attempted => {
    const service = serviceQueries(projections.views('robot-services')).byGuid(guid)
    if (service === undefined) throw new WorkFailed('service-gone', `there is no service ${guid} any more`, { retryable: false })
    const { templateUid, commit } = service
    const template = templateQueries(projections.views('robot-templates')).bound(templateUid, commit)
    const spec = template && actionOf(template.manifest, action)
    const [name, text] =
      template === undefined
        ? ['SpawnError', `there is no template ${templateUid} at ${commit}`]
        : ['ActionNotFoundError', `action '${action}' not found`]
    if (template === undefined || spec === undefined)
      throw failed({ action, history }, notRun(servers(name, text), service.data), {}, context)
    return { service, template, action, spec, args, history }
  }

  const run = async (task: Attempted, secrets: KnownSecrets): Promise<Reached> => {
    const { service, template, action, spec, args, history } = task
    const { context, sealFor, sealHidden } = secrets
    const isUpdate = action === updateDataAction
    const hook = isUpdate ? template.manifest.hooks.update_data : undefined
    const clearArgs = await openMembers(args, context.open)
    if (isUpdate && hook === undefined) return { result: await merged(task, secrets), scheduled: [] }
    const { attempt } = context
    const { requestedAt, tries, priority } = history
    const call: ProgramCall =
      hook === undefined
        ? {
            ...{ service, action, args: clearArgs, run: spec.run, timeoutS: spec.timeout },
            task: { guid: context.operationId, created: Math.trunc(requestedAt / 1000), attempt, tries, priority },
          }
        : { service, action, args: clearArgs, run: hook.run, timeoutS: hook.timeout, hook: 'update_data' }
    const report = await programs.run(call, context)
    const { reply, data } = report
    const fault = reply?.data === undefined ? undefined : faultOf(template, mergePatch(data, reply.data))
    const failure = report.failure?.isServers === true ? report.failure : (fault ?? report.failure)
    const patched = async (patch: JsonObject): Promise<JsonObject> => {
      const sealed = await sealPatch(template.manifest.schema as JsonObject | undefined, data, patch, sealFor(service.guid))
      return sealHidden(sealed, service.guid)
    }
    const left: LeftBehind = {
      ...(reply?.data === undefined || fault !== undefined ? {} : { data: await patched(reply.data) }),
      ...(reply === undefined || reply.state.length === 0 || isUpdate ? {} : { state: reply.state }),
    }
    if (failure !== undefined) throw failed(task, { ...report, failure }, left, context)
    if (reply === undefined || isUpdate) return { result: left, scheduled: [] }
    const result = reply.result == null ? left : { result: reply.result, ...left }
    return { result, scheduled: await planScheduled(reply.schedule, ports, secrets) }
  }

  /** What `update_data` does by itself. */
  const merged = async (task: Attempted, { context, sealHidden }: KnownSecrets): Promise<TaskResult> => {
    const { service, template, args } = task
    const data = await openMembers(service.data, context.open)
    const members = await openMembers(args.data as JsonObject, context.open)
    const fault = faultOf(template, Object.fromEntries([...Object.entries(data), ...Object.entries(members)]))
    if (fault !== undefined) throw failed(task, notRun(fault, data), {}, context)
    return { members: await sealHidden(args.data as JsonObject, service.guid) }
  }

  const failed = (
    { action, spec, history }: Pick<Attempted, 'action' | 'history'> & { readonly spec?: TemplateAction },
    { reply, failure, ...report }: ProgramReport,
    left: LeftBehind,
    { attempt }: WorkContext,
  ): WorkFailed => {
    const at = clock.now()
    const { error } = reply ?? {}
    const eco = ecoOf({
      ...report,
      ...(failure as NonNullable<ProgramReport['failure']>),
      ...{ guid: newId(), action, error, attempt, at, firstAt: history.firstFailureAt ?? at, occurrences: history.failures + 1 },
    })
    const details: FailureDetails & LeftBehind = { eco, ...(error?.expected === true ? { expected: true } : {}), ...left }
    const on = spec?.retry?.on
    return new WorkFailed('action-failed', eco.errormessage, {
      retryable: spec !== undefined && error?.retry !== false && (on === undefined || on.includes(eco.exceptionclassname)),
      details: details as unknown as JsonValue,
    })
  }

  /** Until the views know what the operations before this attempt left behind. */
  const upToDate = ({ startedAt }: TaskHistory, signal: AbortSignal): Promise<void> =>
    reachedBy(ports, { position: startedAt, signal })

  return {
    kind: actionKind,
    face: 'robot',
    description: 'Runs one action of a robot service',
    submittable: false,
    input: ActionInput,
    // Each request brings that of its action.
    policy: { attempts: 1, timeoutMs: 3_600_000, backoff: noBackoff, whenLost: 'retry' },
    concurrency: settings.concurrency,
    stopWithinMs: processes.endsWithinMs,
    run: async (input, context) => {
      if (input.action === saveAction) return {}
      if (input.action === deleteAction) {
        // It takes the lane when this task has ended.
        await submitPatiently(deletionRequest(input.service), childId(context.operationId, deleteAction), ports, context)
        return {}
      }
      const history = await taskHistory(log, context.operationId)
      await upToDate(history, context.signal)
      let reached = history.step(replyStep) as unknown as Reached | undefined
      if (reached === undefined) {
        const now = await run(attempted(input, history, context), watchSecrets(context))
        reached =
          now.scheduled.length === 0
            ? now
            : ((await context.step(replyStep, async () => now as unknown as JsonObject)) as unknown as Reached)
      }
      await submitScheduled(reached.scheduled, ports, context)
      return reached.result as unknown as JsonObject
    },
  } satisfies Work<ActionInput> as Work
}

const servers = (name: string, text: string) => ({ class: name, text, isServers: true })

/** What is reported where no program ran. */
const notRun = (failure: ProgramReport['failure'], data: JsonObject): ProgramReport => ({
  ...{ reply: undefined, failure, data, file: '', pid: 0, exitCode: null, signal: null },
  isTimedOut: false,
  stderr: [],
})

const faultOf = ({ manifest: { schema } }: LoadedTemplate, data: JsonValue): ProgramReport['failure'] => {
  const fault = schema === undefined ? undefined : templateSchema(schema as JsonObject).faultOf(data)
  return fault && servers('DataValidationError', `data does not match the schema: ${fault.pointer} ${fault.reason}`)
}
