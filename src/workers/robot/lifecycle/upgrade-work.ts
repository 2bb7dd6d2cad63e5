import { isDeepStrictEqual } from 'node:util'
import {
  UpgradeInput as Input,
  type UpgradeInput,
  type UpgradeOutcome,
  upgradeKind,
  validationRequest,
} from '../../../commands/robot/lifecycle.ts'
import { openMembers, sealMembers, secretSubject } from '../../../commands/robot/secret-members.ts'
import { service } from '../../../commands/robot/service.ts'
import { tenYearsMs } from '../../../commands/robot/task.ts'
import type { BoundTemplate, LoadedTemplate } from '../../../commands/robot/template.ts'
import { templateSchema } from '../../../commands/robot/template-schema.ts'
import { childId } from '../../../lib/ids.ts'
import type { JsonObject, JsonValue } from '../../../lib/json.ts'
import { type RobotService, serviceQueries } from '../../../projections/robot/services.ts'
import { templateQueries } from '../../../projections/robot/templates.ts'
import { commandFrom } from '../../command-from.ts'
import { type Work, type WorkContext, WorkFailed } from '../../work.ts'
import { caughtUp } from '../caught-up.ts'
import type { RobotPorts } from '../robot-ports.ts'
import { nameTaken } from './creation.ts'

/** Services of one repository that are upgraded at a time. Source: robot contract, section 7, row 4. */
const mostAtATime = 25
const attempts = 30
const retryMs = 2_000
const loadedWithinMs = 5_000
const lookAgainMs = 20

/**
 * Binds a service to another template of its kind and fills the defaults that its schema adds; an operation of its own validates the service then.
 * Source: robot contract, section 7, rows 4 and 8.
 */
export const upgradeWork = (ports: RobotPorts): Work => {
  const { executor, projections, clock, checkouts, names, recurring, submit } = ports

  const upgrade = async ({ service: guid, templateUid, commit }: UpgradeInput, context: WorkContext): Promise<UpgradeOutcome> => {
    await caughtUp(ports, context.signal)
    const found = serviceQueries(projections.views('robot-services')).byGuid(guid)
    if (found === undefined) throw new WorkFailed('service-gone', `there is no service ${guid} any more`, { retryable: false })
    await loaded({ templateUid, commit }, context)
    const { template } = await checkouts.checkout({ templateUid, commit }, context)
    const { name } = found
    if (!(await names.claim({ name, guid, templateUid, scope: 'template' }, commandFrom(context)))) throw nameTaken(name)
    const members = await addedDefaults(found, template, context)
    const command = { type: 'UpgradeService', guid, templateUid, commit } as const
    const { refused } = await executor.execute(service, command, commandFrom(context))
    if (refused !== undefined) throw new WorkFailed('service-gone', `there is no service ${guid} any more`, { retryable: false })
    const { manifest } = template
    const faults = await recurring.register(
      guid,
      manifest,
      commandFrom(context, childId(context.operationId, 'recurring')),
      context.signal,
    )
    for (const fault of faults) await context.output(`${fault}\n`)
    const validation = manifest.hooks.validate === undefined ? null : await requestValidation(guid, context)
    return { templateUid, commit, ...(members === undefined ? {} : { members }), validation }
  }

  /** The operation that loads the template may have asked for this before its own outcome. */
  const loaded = async ({ templateUid, commit }: BoundTemplate, { signal }: WorkContext): Promise<void> => {
    const isLoaded = (): boolean => templateQueries(projections.views('robot-templates')).bound(templateUid, commit) !== undefined
    for (const until = clock.monotonic() + loadedWithinMs; !isLoaded(); await clock.sleep(lookAgainMs, signal))
      if (clock.monotonic() >= until)
        throw new WorkFailed('template-unknown', `there is no template ${templateUid} at ${commit}`, { retryable: true })
  }

  /** It takes the lane when the upgrade has ended. */
  const requestValidation = async (guid: string, context: WorkContext): Promise<string> => {
    const command = commandFrom(context, childId(context.operationId, 'validate'))
    const submitted = await submit(validationRequest(guid), command, { internal: true })
    if (submitted.refused !== undefined) throw new Error(`the validation was refused: ${submitted.refused.reason}`)
    return submitted.operationId
  }

  return {
    kind: upgradeKind,
    face: 'robot',
    description: 'Binds a service to another version of its template, or to a newer commit of it',
    submittable: false,
    input: Input,
    policy: {
      attempts,
      timeoutMs: tenYearsMs,
      backoff: { initialMs: retryMs, factor: 1, maxMs: retryMs },
      whenLost: 'retry',
    },
    concurrency: mostAtATime,
    run: async (input, context) => (await upgrade(input, context)) as unknown as JsonValue,
  } satisfies Work<UpgradeInput> as Work
}

/** The members of the data, at its top, that the defaults of the new schema add or change; undefined where there are none. */
const addedDefaults = async (
  { guid, data }: RobotService,
  { manifest: { schema } }: LoadedTemplate,
  context: WorkContext,
): Promise<JsonObject | undefined> => {
  if (schema === undefined) return undefined
  const clear = await openMembers(data, context.open)
  const filled = templateSchema(schema as JsonObject).withDefaults(clear)
  const before = new Map(Object.entries(clear))
  const added = Object.entries(filled).filter(([name, value]) => !isDeepStrictEqual(value, before.get(name)))
  if (added.length === 0) return undefined
  const members = Object.fromEntries(added) as JsonObject
  return sealMembers(schema as JsonObject, members, (value) => context.seal(secretSubject(guid), value))
}
