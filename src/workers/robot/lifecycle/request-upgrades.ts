import { upgradeRequest } from '../../../commands/robot/lifecycle.ts'
import type { BoundTemplate } from '../../../commands/robot/template.ts'
import { compareTemplateVersions, parseTemplateReference, type TemplateUid } from '../../../commands/robot/template-uid.ts'
import { childId } from '../../../lib/ids.ts'
import { serviceQueries } from '../../../projections/robot/services.ts'
import { commandFrom } from '../../command-from.ts'
import { caughtUp } from '../caught-up.ts'
import type { RequestUpgrades, RobotPorts } from '../robot-ports.ts'

/** Source: robot contract, section 7, row 4. */
export const createRequestUpgrades =
  ({
    log,
    projections,
    clock,
    names,
    submit,
  }: Pick<RobotPorts, 'log' | 'projections' | 'clock' | 'names' | 'submit'>): RequestUpgrades =>
  async (templates, context) => {
    await caughtUp({ log, projections, clock }, context.signal)
    const services = serviceQueries(projections.views('robot-services'))
    const upgrades: string[] = []
    for (const [template, uid] of highestOfEach(templates)) {
      for (const { guid, name, deleting } of services.ofTemplate(uid)) {
        const { templateUid } = template
        if (deleting) continue
        if (await names.isTaken({ name, guid, templateUid, scope: 'template' })) {
          await context.output(`the service ${guid} keeps its version: there is another service '${name}' of ${templateUid}\n`)
          continue
        }
        const command = commandFrom(context, childId(context.operationId, guid))
        const submitted = await submit(upgradeRequest(guid, template), command, { internal: true })
        if (submitted.refused !== undefined) throw new Error(`the upgrade was refused: ${submitted.refused.reason}`)
        upgrades.push(submitted.operationId)
      }
    }
    return upgrades
  }

/** A revision may have several versions of one template, in several folders. */
const highestOfEach = (templates: readonly BoundTemplate[]): Iterable<readonly [BoundTemplate, TemplateUid]> => {
  const highest = new Map<string, readonly [BoundTemplate, TemplateUid]>()
  for (const template of templates) {
    const uid = parseTemplateReference(template.templateUid) as TemplateUid
    const known = highest.get(uid.name)
    if (known === undefined || compareTemplateVersions(uid.version, known[1].version) > 0) highest.set(uid.name, [template, uid])
  }
  return highest.values()
}
