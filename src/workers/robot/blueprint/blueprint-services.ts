import type { BlueprintInput } from '../../../commands/robot/blueprint.ts'
import { deletionRequest } from '../../../commands/robot/lifecycle.ts'
import { service } from '../../../commands/robot/service.ts'
import { childId } from '../../../lib/ids.ts'
import { inParallel } from '../../../lib/in-parallel.ts'
import { serviceQueries } from '../../../projections/robot/services.ts'
import { commandFrom } from '../../command-from.ts'
import { type WorkContext, WorkFailed } from '../../work.ts'
import { createCreation } from '../lifecycle/creation.ts'
import type { RobotPorts } from '../robot-ports.ts'
import { LateFailure } from './late-failure.ts'

type Described = BlueprintInput['services'][number]

/** Services that somebody else created meanwhile, under the guids of those that the blueprint would have created. */
export type StandIns = Readonly<Record<string, string>>

const firstPauseMs = 100
const longestPauseMs = 5_000

/** What one attempt of a blueprint does to services; each may be done again. */
export const blueprintServices = (ports: RobotPorts, { services }: Pick<BlueprintInput, 'services'>, context: WorkContext) => {
  const { executor, projections, settings, submit } = ports
  const creation = createCreation(ports)
  const creating = ({ guid, create }: Described) => ({ ...create, guid })

  /** All blueprints claim in one order, so that none waits for another one that waits for it. */
  const claimNames = async (): Promise<Record<string, string>> => {
    const standIns: [string, string][] = []
    for (const one of services.toSorted(byNameAndTemplate)) {
      context.signal.throwIfAborted()
      const holder = await claim(one)
      if (holder !== undefined) standIns.push([one.guid, holder])
    }
    return Object.fromEntries(standIns)
  }

  /** The service that holds the name under the same template; undefined where the name is ours. */
  const claim = async (one: Described): Promise<string | undefined> => {
    try {
      await creation.claimName(creating(one), context)
      return undefined
    } catch (error) {
      if (!(error instanceof WorkFailed) || error.type !== 'name-taken') throw error
      const { name, templateUid } = one.create
      const holder = serviceQueries(projections.views('robot-services'))
        .named(name)
        .find((other) => other.templateUid === templateUid && !other.deleting)
      if (holder !== undefined) return holder.guid
      const retryAfterMs = Math.min(firstPauseMs * 2 ** Math.min(context.attempt, 10), longestPauseMs)
      const message = `a service with the name '${name}' is being created or deleted`
      throw new WorkFailed('name-busy', message, { retryable: true, retryAfterMs })
    }
  }

  const isOurs =
    (standIns: StandIns) =>
    ({ guid }: Described): boolean =>
      !Object.hasOwn(standIns, guid)

  const validate = async (standIns: StandIns): Promise<void> => {
    await inParallel(services.filter(isOurs(standIns)), settings.concurrency, async (one) => {
      context.signal.throwIfAborted()
      await creation.validate(creating(one), context).catch((error: unknown) => {
        if (!(error instanceof WorkFailed) || error.retryable) throw error
        const { name, templateUid: uid } = one.create
        throw new LateFailure({ reason: 'not-created', name, uid, why: error.message })
      })
    })
  }

  /** In the order of the blueprint; their guids. */
  const create = (standIns: StandIns): Promise<string[]> =>
    inParallel(services.filter(isOurs(standIns)), 1, async (one) => {
      context.signal.throwIfAborted()
      await creation.create(creating(one), context)
      return one.guid
    })

  /** Removes what the blueprint has brought; the operations that delete the services that were created already. */
  const remove = async (): Promise<string[]> => {
    const deletions: string[] = []
    for (const one of services) {
      const { state } = await executor.load(service, service.streamOf({ type: 'DeleteService', guid: one.guid }))
      if (state.status === 'live') deletions.push(await requestDeletion(one.guid))
      else if (state.status === 'absent') await creation.discard(creating(one), context)
    }
    return deletions
  }

  const requestDeletion = async (guid: string): Promise<string> => {
    const commandId = childId(context.operationId, `delete ${guid}`)
    const submitted = await submit(deletionRequest(guid), commandFrom(context, commandId), { internal: true })
    if (submitted.refused !== undefined) throw new Error(`the deletion of ${guid} was refused: ${submitted.refused.reason}`)
    return submitted.operationId
  }

  /** What was kept for services that others have created. */
  const discard = async (standIns: StandIns): Promise<void> => {
    for (const one of services) if (!isOurs(standIns)(one)) await creation.discard(creating(one), context)
  }

  return { claimNames, validate, create, remove, discard }
}

const byNameAndTemplate = ({ create: one }: Described, { create: other }: Described): number =>
  compareTexts(one.name, other.name) || compareTexts(one.templateUid, other.templateUid)

const compareTexts = (one: string, other: string): number => (one === other ? 0 : one < other ? -1 : 1)
