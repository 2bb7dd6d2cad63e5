import { servicePrefix } from '../../events/robot/service.ts'
import { type RobotService, serviceQueries } from '../../projections/robot/services.ts'
import type { HttpContext } from '../faces/http-context.ts'
import type { RobotTools } from './tools.ts'

/** The view of services. */
export const servicesView = 'robot-services'

/** The view shows what has happened a moment later. */
const shownWithinMs = 5_000

/** The service as the view shows it once it is as it has to be, so that the next request sees it as well; undefined where there is none. */
export const shownService = async (
  c: HttpContext,
  { changes, closing }: Pick<RobotTools, 'changes' | 'closing'>,
  guid: string,
  isAsItShould: (service: RobotService | undefined) => boolean,
): Promise<RobotService | undefined> => {
  const find = (): RobotService | undefined => serviceQueries(c.known.views(servicesView)).byGuid(guid)
  const look = (): true | undefined => isAsItShould(find()) || undefined
  await changes.until(`${servicePrefix}${guid}`, look, { timeoutMs: shownWithinMs, signal: closing })
  return find()
}
