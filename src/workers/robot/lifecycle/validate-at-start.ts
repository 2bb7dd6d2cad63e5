import type { Logger } from 'pino'
import { validationRequest } from '../../../commands/robot/lifecycle.ts'
import type { Submit } from '../../../commands/submit.ts'
import type { Actor } from '../../../events/define.ts'
import { foundOnce } from '../../../lib/found-once.ts'
import { newId } from '../../../lib/ids.ts'
import { inParallel } from '../../../lib/in-parallel.ts'
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
  const failed = (err: unknown): void => logger.error({ err }, 'a service is not validated at this start')

  const request = async ({ guid }: RobotService): Promise<void> => {
    const id = newId()
    const submitted = await submit(validationRequest(guid), { commandId: id, actor, correlationId: id }, { internal: true })
    if (submitted.refused !== undefined) throw new Error(`the validation was refused: ${submitted.refused.reason}`)
  }

  try {
    const templates = templateQueries(projections.views('robot-templates'))
    const needsIt = foundOnce(async (key) => {
      const [templateUid = '', commit = ''] = key.split(' ')
      const template = templates.bound(templateUid, commit)
      return template?.manifest.hooks.validate !== undefined || !(await checkouts.isThere({ templateUid, commit }))
    })
    const services = serviceQueries(projections.views('robot-services'))
      .list()
      .filter(({ validation, deleting }) => validation === null && !deleting)
    await inParallel(services, atATime, async (service) => {
      if (await needsIt(`${service.templateUid} ${service.commit}`)) await request(service).catch(failed)
    })
  } catch (error) {
    failed(error)
  }
}
