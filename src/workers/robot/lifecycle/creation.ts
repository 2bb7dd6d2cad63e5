import type { NewService } from '../../../commands/robot/lifecycle.ts'
import { secretSubject } from '../../../commands/robot/secret-members.ts'
import { service } from '../../../commands/robot/service.ts'
import { childId } from '../../../lib/ids.ts'
import { commandFrom } from '../../command-from.ts'
import { type WorkContext, WorkFailed } from '../../work.ts'
import { validate } from '../action/hooks.ts'
import type { RobotPorts } from '../robot-ports.ts'
import { makeWorkDirectory, removeWorkDirectory } from '../work-directory.ts'

/** A service that is to be created, under the guid that it was given. */
export interface Creating extends NewService {
  readonly guid: string
}

/** The steps of a creation, for whoever creates services; each may be done again. */
export interface Creation {
  /** Claims the name. Throws the `WorkFailed` `name-taken`, which no other attempt mends. */
  claimName(creating: Creating, context: WorkContext): Promise<void>
  /**
   * Makes the work directory and asks the validate hook of the template. Throws the `WorkFailed` `validate-refused` with the hook's words, and what
   * `checkout` throws.
   */
  validate(creating: Creating, context: WorkContext): Promise<void>
  /** The service exists from then on, and its recurring actions run. */
  create(creating: Creating, context: WorkContext): Promise<void>
  /** What a service leaves behind that is not created after all: nothing. */
  discard(creating: Pick<Creating, 'guid' | 'name'>, context: WorkContext): Promise<void>
}

type Ports = Pick<RobotPorts, 'executor' | 'settings' | 'checkouts' | 'programs' | 'names' | 'forget' | 'recurring'>

/** Source: robot contract, section 7. */
export const createCreation = ({ executor, settings, checkouts, programs, names, forget, recurring }: Ports): Creation => ({
  claimName: async ({ guid, name, templateUid, origin }, context) => {
    const scope = origin === 'blueprint' || settings.nameScope === 'template' ? 'template' : 'alone'
    if (!(await names.claim({ name, guid, templateUid, scope }, commandFrom(context)))) throw nameTaken(name)
  },
  validate: async (creating, context) => {
    await makeWorkDirectory(settings, creating.guid)
    const { template } = await checkouts.checkout(creating, context)
    const refusal = await validate(programs, template.manifest, { ...creating, state: [] }, context)
    if (refusal !== undefined) throw new WorkFailed('validate-refused', refusal, { retryable: false })
  },
  create: async ({ guid, ...created }, context) => {
    const { template } = await checkouts.checkout(created, context)
    await executor.execute(service, { type: 'CreateService', guid, service: created as never }, commandFrom(context))
    const faults = await recurring.register(
      guid,
      template.manifest,
      commandFrom(context, childId(context.operationId, guid)),
      context.signal,
    )
    for (const fault of faults) await context.output(`${fault}\n`)
  },
  discard: async ({ guid, name }, context) => {
    await names.release({ name, guid }, commandFrom(context))
    await removeWorkDirectory(settings, guid)
    await forget(secretSubject(guid), undefined, commandFrom(context))
  },
})

/** Another service has the name. */
export const nameTaken = (name: string): WorkFailed =>
  new WorkFailed('name-taken', `a service with name '${name}' already exists`, { retryable: false })
