import type { Logger } from 'pino'
import { validationRequest } from '../../../commands/robot/lifecycle.ts'
import type { Submit } from '../../../commands/submit.ts'
import type { Actor } from '../../../events/define.ts'
import { newId } from '../../../lib/ids.ts'
import type { Projections } from '../../../projections/projection.ts'
import { type RobotService, serviceQueries } from '../../../projections/robot/services.ts'
import { templateQueries } from '../../../projections/robot/templates.ts'
import type { Checkouts } from '../checkouts.ts'

const actor: Actor = { principal: 'robot-lifecycle', face: 'robot', address: null }
const atATime = 50

/**
 * Requests the validation of every service whose template has a hook for it or lacks its files, ahead of the tasks that wait. Never rejects: a server
 * starts whatever its services are like. Source: robot contract, section 7, "held service".
 */
export const validateAtStart = async ({
  projections,
  submit,
  checkouts,
  logger,
}: {
  readonly projections: Pick<Projections, 'views'>
  readonly submit: Submit
  readonly checkouts: Pick<Checkouts, 'isThere'>
  readonly logger: Logger
}): Promise<void> => {
  const templates = templateQueries(projections.views('robot-templates'))
  const needsIt = new Map<string, Promise<boolean>>()

  const look = async ({ templateUid, commit }: RobotService): Promise<boolean> => {
    const template = templates.bound(templateUid, commit)
    return template?.manifest.hooks.validate !== undefined || !(await checkouts.isThere({ templateUid, commit }))
  }

  const request = async (service: RobotService): Promise<void> => {
    const { guid, templateUid, commit } = service
    const key = `${templateUid} ${commit}`
    const asked = needsIt.get(key) ?? look(service)
    needsIt.set(key, asked)
    if (!(await asked)) return
    const id = newId()
    const submitted = await submit(validationRequest(guid), { commandId: id, actor, correlationId: id }, { internal: true })
    if (submitted.refused !== undefined) throw new Error(`the validation was refused: ${submitted.refused.reason}`)
  }

  try {
    const services = serviceQueries(projections.views('robot-services'))
      .list()
      .filter(({ validation, deleting }) => validation === null && !deleting)
    for (let at = 0; at < services.length; at += atATime) await Promise.all(services.slice(at, at + atATime).map(request))
  } catch (error) {
    logger.error({ err: error }, 'not all services are validated at this start')
  }
}
