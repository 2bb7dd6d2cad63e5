import { z } from 'zod'
import { creationRequest, type NewService } from '../../commands/robot/lifecycle.ts'
import { createNameClaims } from '../../commands/robot/name-claims.ts'
import { planService } from '../../commands/robot/plan-service.ts'
import { sealMembers, secretSubject } from '../../commands/robot/secret-members.ts'
import type { JsonObject } from '../../lib/json.ts'
import { anyJsonObject } from '../../lib/json-schemas.ts'
import type { OperationResource } from '../../projections/operations/operation-resource.ts'
import { templateQueries } from '../../projections/robot/templates.ts'
import type { FaceRoute } from '../faces/face.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import { json } from '../replies/json.ts'
import type { Reply } from '../replies/reply.ts'
import { awaitOperation } from './await-operation.ts'
import { robotError } from './error-body.ts'
import { operationFailed } from './failed-operation.ts'
import { messages } from './messages.ts'
import { planRefused } from './plan-refusal.ts'
import { readRobotBody } from './read-body.ts'
import { createdDocument } from './service-document.ts'
import { servicesView, shownService } from './shown-service.ts'
import type { RobotTools } from './tools.ts'

const templatesView = 'robot-templates'
const waitMs = 120_000

/** Source: robot contract, section 3.1. */
export const ServiceBody = z
  .object({
    template: z.string(),
    name: z
      .string()
      .refine((name) => name.isWellFormed(), 'well-formed text')
      .nullish(),
    data: anyJsonObject.nullish(),
    public: z.boolean().nullish(),
  })
  .meta({ id: 'RobotServiceCreate' })

/**
 * `POST /services`. The guid of the service is the id of the operation that creates it, so that a repetition under the same `Idempotency-Key` is
 * the same service. Source: robot contract, row 6.
 */
export const creationRoute = (tools: RobotTools): FaceRoute => {
  const { ports, settings, mount, caller } = tools
  const names = createNameClaims(ports)
  const unknown = mount.profile === '0.9' ? 404 : 400
  const scope = settings.nameScope === 'robot' ? 'alone' : 'template'

  const handle = async (c: HttpContext): Promise<Reply> => {
    const { template: text, data, ...asked } = await readRobotBody(c, ServiceBody, messages.badBody)
    const plan = planService({ template: text, data: data ?? {} }, templateQueries(c.known.views(templatesView)).resolve)
    if (plan.refused !== undefined) return planRefused(plan.refused, { profile: mount.profile, unknown })
    const context = requestContext(c)
    const guid = context.commandId
    const { templateUid, commit, manifest } = plan.planned.template
    const name = asked.name || guid
    if (!(await names.claim({ name, guid, templateUid, scope }, context))) return nameTaken(name)
    const service: NewService = {
      ...{ name, templateUid, commit, public: asked.public ?? false, origin: 'api' },
      data: await sealMembers(manifest.schema as JsonObject | undefined, plan.planned.data, (value) =>
        ports.seal(secretSubject(guid), value),
      ),
    }
    const submitted = await ports.submit(creationRequest(guid, service), context, { internal: true })
    if (submitted.refused !== undefined) throw new Error(`the creation was refused: ${submitted.refused.reason}`)
    caused(c, submitted)
    const { ended, over } = await awaitOperation(c, tools, { id: guid, timeoutMs: waitMs })
    if (over !== undefined) return over
    if (ended.state !== 'succeeded') return notCreated(ended, service)
    await shownService(c, tools, guid, (found) => found !== undefined)
    const { document, sealedFor } = await createdDocument({ ...service, guid, state: [] }, await caller(c), tools)
    const created = json(document, 201, { Location: `${mount.prefix}/services/${guid}` })
    return sealedFor === undefined ? created : { ...created, sealedFor }
  }

  return { method: 'POST', path: '/services', reads: [servicesView, templatesView, ...ports.operations.reads], handle }
}

const nameTaken = (name: string): Reply => robotError(409, { message: messages.nameTaken(name) })

const notCreated = (operation: OperationResource, { name, templateUid }: NewService): Reply => {
  switch (operation.error?.type) {
    case 'validate-refused':
      return robotError(400, { message: messages.notCreated(name, templateUid, operation.error.message) })
    case 'name-taken':
      return nameTaken(name)
    default:
      return operationFailed(operation, `the creation of the service ${name}`)
  }
}
