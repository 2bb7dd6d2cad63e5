import { z } from 'zod'
import { deleteKind, deletionRequest } from '../../commands/robot/lifecycle.ts'
import { type ServiceFilters, serviceQueries } from '../../projections/robot/services.ts'
import type { FaceRoute } from '../faces/face.ts'
import { caused, type HttpContext, requestContext } from '../faces/http-context.ts'
import { json } from '../replies/json.ts'
import type { Reply } from '../replies/reply.ts'
import { awaitOperation } from './await-operation.ts'
import { creationRoute } from './create-service.ts'
import { robotError } from './error-body.ts'
import { operationFailed } from './failed-operation.ts'
import { messages } from './messages.ts'
import { serviceDocument } from './service-document.ts'
import { servicesView, shownService } from './shown-service.ts'
import type { RobotTools } from './tools.ts'
import { upgradeRoute } from './upgrade-service.ts'

const deletionWaitMs = 90_000

/** `/services`. Source: robot contract, rows 5 to 9. */
export const serviceRoutes = (tools: RobotTools): readonly FaceRoute[] => {
  const { ports, caller } = tools
  const services = (c: HttpContext) => serviceQueries(c.known.views(servicesView))

  const remove = async (c: HttpContext, guid: string): Promise<Reply> => {
    if (services(c).byGuid(guid) === undefined) return noContent
    const id =
      services(c)
        .unfinished(guid)
        .find(({ kind }) => kind === deleteKind)?.operation ?? (await requestDeletion(c, guid))
    const { ended, over } = await awaitOperation(c, tools, { id, timeoutMs: deletionWaitMs })
    if (over !== undefined) return over
    const left = await shownService(c, tools, guid, (service) => service === undefined || ended.state !== 'succeeded')
    return left === undefined ? noContent : operationFailed(ended, `the deletion of the service ${guid}`)
  }

  const requestDeletion = async (c: HttpContext, guid: string): Promise<string> => {
    const submitted = await ports.submit(deletionRequest(guid), requestContext(c), { internal: true })
    if (submitted.refused !== undefined) throw new Error(`the deletion was refused: ${submitted.refused.reason}`)
    caused(c, submitted)
    return submitted.operationId
  }

  return [
    {
      method: 'GET',
      path: '/services',
      reads: [servicesView],
      handle: async (c) => {
        const by = await caller(c)
        const all = services(c).list(filtersOf(c)).filter(by.mayUse)
        return json(all.map((service) => serviceDocument(service, by)))
      },
    },
    creationRoute(tools),
    {
      method: 'GET',
      path: '/services/:service_guid',
      reads: [servicesView],
      handle: async (c, { service_guid: guid = '' }) => {
        const service = services(c).byGuid(guid)
        return service === undefined
          ? robotError(404, { message: messages.serviceNotFound(guid) })
          : json(serviceDocument(service, await caller(c)))
      },
    },
    upgradeRoute(tools),
    {
      method: 'DELETE',
      path: '/services/:service_guid',
      reads: [servicesView, ...ports.operations.reads],
      handle: (c, { service_guid: guid = '' }) => remove(c, guid),
    },
  ]
}

const noContent: Reply = { status: 204, headers: {}, body: null }

const filterNames: Readonly<Record<string, keyof ServiceFilters>> = {
  name: 'name',
  template_uid: 'templateUid',
  template_host: 'host',
  template_account: 'account',
  template_repo: 'repository',
  template_name: 'template',
  template_version: 'version',
}

/** For the description of the route: whatever comes is taken. */
export const ServiceQuery = z.object(
  Object.fromEntries(Object.keys(filterNames).map((name) => [name, z.string().optional()])) as Record<
    string,
    z.ZodOptional<z.ZodString>
  >,
)

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
