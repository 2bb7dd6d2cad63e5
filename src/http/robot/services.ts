import { z } from 'zod'
import { creationRequest, type NewService } from '../../commands/robot/lifecycle.ts'
import { createNameClaims } from '../../commands/robot/name-claims.ts'
import { planService } from '../../commands/robot/plan-service.ts'
import { sealMembers, secretSubject } from '../../commands/robot/secret-members.ts'
import { servicePrefix } from '../../events/robot/service.ts'
import type { JsonObject } from '../../lib/json.ts'
import { anyJsonObject } from '../../lib/json-schemas.ts'
import type { OperationResource } from '../../projections/operations/operation-resource.ts'
import { type ServiceFilters, serviceQueries } from '../../projections/robot/services.ts'
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
import { createdDocument, serviceDocument } from './service-document.ts'
import type { RobotTools } from './tools.ts'

const view = 'robot-services'
const templatesView = 'robot-templates'
const creationWaitMs = 120_000
/** The view shows what has happened a moment later. */
const shownWithinMs = 5_000

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

/** `/services`. Source: robot contract, rows 5 to 9. */
export const serviceRoutes = (tools: RobotTools): readonly FaceRoute[] => {
  const { ports, settings, changes, mount, caller } = tools
  const names = createNameClaims(ports)
  const services = (c: HttpContext) => serviceQueries(c.known.views(view))

  const create = async (c: HttpContext): Promise<Reply> => {
    const { template: text, data, ...asked } = await readRobotBody(c, ServiceBody, messages.badBody)
    const plan = planService({ template: text, data: data ?? {} }, templateQueries(c.known.views(templatesView)).resolve)
    if (plan.refused !== undefined)
      return planRefused(plan.refused, { profile: mount.profile, unknown: mount.profile === '0.9' ? 404 : 400 })
    const context = requestContext(c)
    const guid = context.commandId
    const { templateUid, commit, manifest } = plan.planned.template
    const name = asked.name || guid
    const scope = settings.nameScope === 'robot' ? 'alone' : 'template'
    if (!(await names.claim({ name, guid, templateUid, scope }, context)))
      return robotError(409, { message: messages.nameTaken(name) })
    const service: NewService = {
      ...{ name, templateUid, commit, public: asked.public ?? false, origin: 'api' },
      data: await sealMembers(manifest.schema as JsonObject | undefined, plan.planned.data, (value) =>
        ports.seal(secretSubject(guid), value),
      ),
    }
    const submitted = await ports.submit(creationRequest(guid, service), context, { internal: true })
    if (submitted.refused !== undefined) throw new Error(`the creation was refused: ${submitted.refused.reason}`)
    caused(c, submitted)
    const { ended, over } = await awaitOperation(c, tools, { id: guid, timeoutMs: creationWaitMs })
    if (over !== undefined) return over
    if (ended.state !== 'succeeded') return notCreated(ended, service)
    await shown(c, guid)
    const { document, sealedFor } = await createdDocument({ ...service, guid, state: [] }, await caller(c), tools)
    const created = json(document, 201, { Location: `${mount.prefix}/services/${guid}` })
    return sealedFor === undefined ? created : { ...created, sealedFor }
  }

  const shown = (c: HttpContext, guid: string): Promise<unknown> =>
    changes.until(`${servicePrefix}${guid}`, () => services(c).byGuid(guid), { timeoutMs: shownWithinMs, signal: tools.closing })

  return [
    {
      method: 'GET',
      path: '/services',
      reads: [view],
      handle: async (c) => {
        const by = await caller(c)
        const all = services(c).list(filtersOf(c)).filter(by.mayUse)
        return json(all.map((service) => serviceDocument(service, by)))
      },
    },
    { method: 'POST', path: '/services', reads: [view, templatesView, ...ports.operations.reads], handle: create },
    {
      method: 'GET',
      path: '/services/:service_guid',
      reads: [view],
      handle: async (c, { service_guid: guid = '' }) => {
        const service = services(c).byGuid(guid)
        return service === undefined
          ? robotError(404, { message: messages.serviceNotFound(guid) })
          : json(serviceDocument(service, await caller(c)))
      },
    },
  ]
}

const filterNames: Readonly<Record<string, keyof ServiceFilters>> = {
  name: 'name',
  template_uid: 'templateUid',
  template_host: 'host',
  template_account: 'account',
  template_repo: 'repository',
  template_name: 'template',
  template_version: 'version',
}

/** Empty and unknown parameters are passed over. Source: robot contract, section 3.3. */
const filtersOf = ({ query }: HttpContext): ServiceFilters => {
  const given = new URLSearchParams(query)
  return Object.fromEntries(
    Object.entries(filterNames).flatMap(([parameter, filter]) => {
      const value = given.get(parameter)
      return value === null || value === '' ? [] : [[filter, value]]
    }),
  )
}

const notCreated = (operation: OperationResource, { name, templateUid }: NewService): Reply => {
  switch (operation.error?.type) {
    case 'validate-refused':
      return robotError(400, { message: messages.notCreated(name, templateUid, operation.error.message) })
    case 'name-taken':
      return robotError(409, { message: messages.nameTaken(name) })
    default:
      return operationFailed(operation, `the creation of the service ${name}`)
  }
}
