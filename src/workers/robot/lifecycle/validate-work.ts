import {
  deleteKind,
  ValidateInput as Input,
  upgradeKind,
  upgradeRequest,
  type ValidateInput,
  validateKind,
} from '../../../commands/robot/lifecycle.ts'
import { service } from '../../../commands/robot/service.ts'
import { tenYearsMs } from '../../../commands/robot/task.ts'
import type { LoadedTemplate } from '../../../commands/robot/template.ts'
import { compareTemplateVersions, parseTemplateReference, type TemplateUid } from '../../../commands/robot/template-uid.ts'
import { servicePrefix } from '../../../events/robot/service.ts'
import { childId } from '../../../lib/ids.ts'
import type { JsonValue } from '../../../lib/json.ts'
import { type RobotService, serviceQueries } from '../../../projections/robot/services.ts'
import { templateQueries } from '../../../projections/robot/templates.ts'
import { commandFrom } from '../../command-from.ts'
import { type Work, type WorkContext, WorkFailed } from '../../work.ts'
import { validate } from '../action/hooks.ts'
import { caughtUp } from '../caught-up.ts'
import { isGivenUp } from '../given-up.ts'
import type { RobotPorts } from '../robot-ports.ts'
import { type Creating, createCreation } from './creation.ts'

/** What a held service gives way to. */
const steps: readonly string[] = [upgradeKind, deleteKind]

/** A service that is held is tried again after this time. */
const heldMs = 10_000

/** Validates a new service and creates it, or validates one until it is valid. Source: robot contract, section 7. */
export const validateWork = (ports: RobotPorts): Work => {
  const { executor, projections, checkouts, programs, processes, submit, settings, logger } = ports
  const creation = createCreation(ports)
  const services = () => serviceQueries(projections.views('robot-services'))

  const isThere = async (guid: string): Promise<boolean> =>
    (await executor.load(service, `${servicePrefix}${guid}`)).state.status === 'live'

  /** A service that is not created leaves nothing; an attempt that is interrupted leaves everything to the next one. */
  const create = async (creating: Creating, context: WorkContext): Promise<JsonValue> => {
    if (!(await isThere(creating.guid))) {
      try {
        await creation.claimName(creating, context)
        await creation.validate(creating, context)
        // The hook may have taken its time.
        await creation.claimName(creating, context)
      } catch (error) {
        // The claim of an operation that has ended gives way by itself: it is enough to try.
        if (!context.signal.aborted || isGivenUp(context.signal))
          await creation.discard(creating, context).catch((err: unknown) => logger.warn({ err }, 'a service was not discarded'))
        throw error
      }
    }
    await creation.create(creating, context)
    return {}
  }

  const revalidate = async (guid: string, context: WorkContext): Promise<JsonValue> => {
    await caughtUp(ports, context.signal)
    const found = services().byGuid(guid)
    // Whoever upgrades or deletes it waits for this lane.
    if (
      found === undefined ||
      services()
        .unfinished(guid)
        .some(({ kind }) => steps.includes(kind))
    )
      return {}
    const template = await checkedOut(found, context)
    if (template === undefined) return {}
    const refusal = await validate(programs, template.manifest, found, context)
    if (refusal !== undefined) throw new WorkFailed('validate-refused', refusal, { retryable: true, retryAfterMs: heldMs })
    return {}
  }

  /** Undefined where its template is gone and the service is to be upgraded. */
  const checkedOut = async (found: RobotService, context: WorkContext): Promise<LoadedTemplate | undefined> => {
    try {
      return (await checkouts.checkout(found, context)).template
    } catch (error) {
      if (!(error instanceof WorkFailed)) throw error
      const { type, message, details } = error
      const isGone = type === 'template-gone' || type === 'template-unknown'
      if (isGone && (await replace(found, context))) return undefined
      throw new WorkFailed(type, message, { details, retryable: true, retryAfterMs: heldMs })
    }
  }

  /** Source: robot contract, section 7, "Survives a restart". */
  const replace = async (found: RobotService, context: WorkContext): Promise<boolean> => {
    const own = parseTemplateReference(found.templateUid) as TemplateUid
    for (const { templateUid, commit, version } of templateQueries(projections.views('robot-templates')).versionsOf(own)) {
      const isOther = templateUid !== found.templateUid || commit !== found.commit
      if (!isOther || compareTemplateVersions(version, own.version) < 0) continue
      const isLoaded = await checkouts.checkout({ templateUid, commit }, context).then(
        () => true,
        (error: unknown) => {
          if (error instanceof WorkFailed) return false
          throw error
        },
      )
      if (!isLoaded) continue
      const command = commandFrom(context, childId(context.operationId, commit))
      const { refused } = await submit(upgradeRequest(found.guid, { templateUid, commit }), command, { internal: true })
      if (refused !== undefined) throw new Error(`the upgrade was refused: ${refused.reason}`)
      await context.output(`the template of the service is gone; it is upgraded to ${templateUid} at ${commit}\n`)
      return true
    }
    return false
  }

  return {
    kind: validateKind,
    face: 'robot',
    description: 'Validates a service with its template and creates it, or holds its tasks until it is valid',
    submittable: false,
    input: Input,
    policy: {
      attempts: Number.MAX_SAFE_INTEGER,
      timeoutMs: tenYearsMs,
      backoff: { initialMs: heldMs, factor: 1, maxMs: heldMs },
      whenLost: 'retry',
      lostAttempts: Number.MAX_SAFE_INTEGER,
    },
    concurrency: settings.concurrency,
    stopWithinMs: processes.endsWithinMs,
    run: async ({ service: guid, create: created }, context) =>
      created === null ? revalidate(guid, context) : create({ guid, ...created }, context),
  } satisfies Work<ValidateInput> as Work
}
