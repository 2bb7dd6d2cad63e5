import { operation } from '../../../commands/operation.ts'
import { type DeleteInput, type DeleteOutcome, deleteKind, DeleteInput as Input } from '../../../commands/robot/lifecycle.ts'
import { secretSubject } from '../../../commands/robot/secret-members.ts'
import { service } from '../../../commands/robot/service.ts'
import { actionKind, tenYearsMs } from '../../../commands/robot/task.ts'
import { childId } from '../../../lib/ids.ts'
import type { JsonValue } from '../../../lib/json.ts'
import { type RobotService, serviceQueries } from '../../../projections/robot/services.ts'
import { templateQueries } from '../../../projections/robot/templates.ts'
import { commandFrom } from '../../command-from.ts'
import type { Work, WorkContext } from '../../work.ts'
import { runDeleteAction } from '../action/hooks.ts'
import { caughtUp } from '../caught-up.ts'
import type { RobotPorts } from '../robot-ports.ts'
import { removeWorkDirectory } from '../work-directory.ts'

const retryMs = 10_000

/** Deletes a service: its delete actions first, then everything that belongs to it. Source: robot contract, section 7, row 9. */
export const deleteWork = (ports: RobotPorts): Work => {
  const { executor, projections, programs, processes, names, recurring, forget, settings } = ports
  const services = () => serviceQueries(projections.views('robot-services'))

  const dropTasks = async (guid: string, context: WorkContext): Promise<void> => {
    for (const { operation: id, kind } of services().unfinished(guid))
      if (kind === actionKind)
        await executor.execute(operation, { type: 'CancelOperation', id, reason: 'the service is deleted' }, commandFrom(context))
  }

  /** Failures are put down, and the deletion goes on. */
  const runActions = async (found: RobotService, context: WorkContext): Promise<DeleteOutcome> => {
    const manifest = templateQueries(projections.views('robot-templates')).bound(found.templateUid, found.commit)?.manifest
    const actions = manifest?.hooks.delete ?? []
    const failures: { action: string; message: string }[] = []
    for (const [place, action] of actions.entries()) {
      const { failure } = await context.step(`delete action ${place}`, async () => {
        if (manifest === undefined || !Object.hasOwn(manifest.actions, action)) return { failure: `action '${action}' not found` }
        return { failure: (await runDeleteAction(programs, manifest, { service: found, action }, context)) ?? null }
      })
      if (failure === null) continue
      failures.push({ action, message: failure })
      await context.output(`the delete action ${action} has failed: ${failure}\n`)
    }
    return { actions, failures }
  }

  const run = async (guid: string, context: WorkContext): Promise<DeleteOutcome> => {
    await caughtUp(ports, context.signal)
    const found = services().byGuid(guid)
    // The steps after this one are done again by an attempt that follows a crash.
    const named = await context.step('service', async () => ({ name: found?.name ?? null }))
    let outcome: DeleteOutcome = { actions: [], failures: [] }
    if (found !== undefined) {
      await recurring.remove(guid, commandFrom(context, childId(context.operationId, 'recurring')), context.signal)
      await dropTasks(guid, context)
      outcome = await context.step('actions', async () => (await runActions(found, context)) as unknown as JsonValue as never)
      await executor.execute(service, { type: 'DeleteService', guid }, commandFrom(context))
      // Those that came meanwhile.
      await dropTasks(guid, context)
    }
    if (named.name !== null) await names.release({ name: named.name, guid }, commandFrom(context))
    await removeWorkDirectory(settings, guid)
    await forget(secretSubject(guid), undefined, commandFrom(context))
    return outcome
  }

  return {
    kind: deleteKind,
    face: 'robot',
    description: 'Deletes a service with its tasks, its data and its work directory',
    submittable: false,
    input: Input,
    policy: {
      attempts: Number.MAX_SAFE_INTEGER,
      timeoutMs: tenYearsMs,
      backoff: { initialMs: retryMs, factor: 1, maxMs: retryMs },
      whenLost: 'retry',
      lostAttempts: Number.MAX_SAFE_INTEGER,
    },
    concurrency: settings.concurrency,
    stopWithinMs: processes.endsWithinMs,
    run: async ({ service: guid }, context) => (await run(guid, context)) as unknown as JsonValue,
  } satisfies Work<DeleteInput> as Work
}
