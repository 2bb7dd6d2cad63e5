import { z } from 'zod'
import { type UpgradeOutcome, upgradeRequest } from '../../commands/robot/lifecycle.ts'
import { createNameClaims } from '../../commands/robot/name-claims.ts'
import type { BoundTemplate } from '../../commands/robot/template.ts'
import { parseTemplateReference, printTemplateUid, type TemplateUid } from '../../commands/robot/template-uid.ts'
import type { OperationResource } from '../../projections/operations/operation-resource.ts'
import { type RobotService, serviceQueries } from '../../projections/robot/services.ts'
import { templateQueries } from '../../projections/robot/templates.ts'
import type { FaceRoute } from '../faces/face.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import { json } from '../replies/json.ts'
import type { Reply } from '../replies/reply.ts'
import { awaitFirstAttempt, awaitOperation } from './await-operation.ts'
import { robotError } from './error-body.ts'
import { operationFailed } from './failed-operation.ts'
import { messages } from './messages.ts'
import { readRobotBody } from './read-body.ts'
import { serviceDocument } from './service-document.ts'
import { servicesView, shownService } from './shown-service.ts'
import type { RobotTools } from './tools.ts'

const templatesView = 'robot-templates'
/** The task that runs is cancelled after 300 s; then it has to end, and the upgrade is made. */
const waitMs = 330_000

/** Source: robot contract, section 3.1. */
export const UpgradeBody = z.object({ template: z.string() }).meta({ id: 'RobotServiceUpgrade' })

/** `PUT /services/{service_guid}`. Source: robot contract, row 8. */
export const upgradeRoute = (tools: RobotTools): FaceRoute => {
  const { ports } = tools
  const names = createNameClaims(ports)

  const handle = async (c: HttpContext, guid: string): Promise<Reply> => {
    const { template: text } = await readRobotBody(c, UpgradeBody, messages.badBody)
    const found = serviceQueries(c.known.views(servicesView)).byGuid(guid)
    if (found === undefined) return notFound(guid)
    const reference = parseTemplateReference(text)
    if (reference === undefined) return robotError(400, { message: messages.malformedUid(text) })
    const uid = reference.host !== undefined && reference.version !== undefined ? printTemplateUid(reference) : undefined
    const template = uid === undefined ? undefined : templateQueries(c.known.views(templatesView)).byUid(uid)
    if (template === undefined) return robotError(404, { message: messages.templateNotFound(text) })
    if (!isSameTemplate(found, template)) return robotError(400, { message: messages.otherTemplate(found.templateUid, text) })
    const { templateUid, commit } = template
    if (templateUid === found.templateUid) return json(serviceDocument(found, await tools.caller(c)))
    if (await names.isTaken({ name: found.name, guid, templateUid, scope: 'template' })) return nameTaken(found)
    return upgrade(c, found, { templateUid, commit })
  }

  const upgrade = async (c: HttpContext, found: RobotService, template: BoundTemplate): Promise<Reply> => {
    const { guid } = found
    const submitted = await ports.submit(upgradeRequest(guid, template), requestContext(c), { internal: true })
    if (submitted.refused !== undefined) throw new Error(`the upgrade was refused: ${submitted.refused.reason}`)
    caused(c, submitted)
    const until = ports.clock.monotonic() + waitMs
    const leftMs = (): number => Math.max(0, until - ports.clock.monotonic())
    const { ended, over } = await awaitOperation(c, tools, { id: submitted.operationId, timeoutMs: leftMs() })
    if (over !== undefined) return over
    if (ended.state !== 'succeeded') return notUpgraded(ended, found, serviceQueries(c.known.views(servicesView)).byGuid(guid))
    const { validation } = ended.result as unknown as UpgradeOutcome
    const validating =
      validation === null ? undefined : await awaitFirstAttempt(c, tools, { id: validation, timeoutMs: leftMs() })
    if (validating !== undefined) return validating
    const shown = await shownService(c, tools, guid, (service) => service?.templateUid === template.templateUid)
    return shown === undefined ? notFound(guid) : json(serviceDocument(shown, await tools.caller(c)))
  }

  return {
    method: 'PUT',
    path: '/services/:service_guid',
    reads: [servicesView, templatesView, ...ports.operations.reads],
    handle: (c, { service_guid: guid = '' }) => handle(c, guid),
  }
}

const notFound = (guid: string): Reply => robotError(404, { message: messages.serviceNotFound(guid) })
const nameTaken = ({ name }: RobotService): Reply => robotError(409, { message: messages.nameTaken(name) })

const isSameTemplate = ({ templateUid }: BoundTemplate, { host, account, repository, name }: TemplateUid): boolean => {
  const own = parseTemplateReference(templateUid) as TemplateUid
  return own.host === host && own.account === account && own.repository === repository && own.name === name
}

/** `now`: as it is after the upgrade has ended. */
const notUpgraded = (operation: OperationResource, service: RobotService, now: RobotService | undefined): Reply => {
  if (now === undefined || now.deleting) return notFound(service.guid)
  return operation.error?.type === 'name-taken'
    ? nameTaken(service)
    : operationFailed(operation, `the upgrade of the service ${service.guid}`)
}
