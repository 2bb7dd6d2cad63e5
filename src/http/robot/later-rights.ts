import { serviceQueries } from '../../projections/robot/services.ts'
import type { FaceRoute } from '../faces/face.ts'
import type { HttpContext } from '../faces/http-context.ts'
import type { Caller } from './callers.ts'
import { unauthorized } from './error-body.ts'
import type { RobotTools } from './tools.ts'

/**
 * Who may use a route: `anyone`; the `operator`, who has credentials of the server, or anybody on a server that has none and asks for no
 * organisation; holders of the secret of the `service`; holders of the `god` token; whoever is `known` by any token.
 */
type Right = 'anyone' | 'operator' | 'service' | 'god' | 'known'

/** Null: later clients do not have this route. Source: robot contract, section 8. */
const rights: Readonly<Record<string, Right | null>> = {
  'POST /blueprints': 'operator',
  'GET /templates': 'operator',
  'POST /templates': 'operator',
  'PUT /templates': 'operator',
  'GET /services': 'anyone',
  'POST /services': 'operator',
  'GET /services/:service_guid': 'service',
  'PUT /services/:service_guid': null,
  'DELETE /services/:service_guid': 'operator',
  'GET /services/:service_guid/actions': 'service',
  'GET /services/:service_guid/task_list': 'service',
  'POST /services/:service_guid/task_list': 'service',
  'GET /services/:service_guid/task_list/:task_guid': 'service',
  'DELETE /services/:service_guid/task_list/:task_guid': 'service',
  'GET /services/:service_guid/logs': 'god',
  'GET /robot/info': 'known',
  'GET /robot/metrics': 'known',
  'GET /robot/webhooks': 'operator',
  'POST /robot/webhooks': 'operator',
  'DELETE /robot/webhooks/:id': 'operator',
}

/** What the paths of later clients begin with. */
export const laterPrefix = '/zrobot/0.9'

/** Whether later clients have a route, whose parameters may be written as in documents. */
export const hasRight = (method: string, path: string): boolean =>
  rightOf({ method: method.toUpperCase(), path: path.replaceAll(/\{(\w+)\}/g, ':$1') }) !== null

const rightOf = ({ method, path }: { readonly method: string; readonly path: string }): Right | null => {
  const right = rights[`${method} ${path}`]
  if (right === undefined) throw new Error(`who may use ${method} ${laterPrefix}${path} is not said`)
  return right
}

const view = 'robot-services'

/** The routes that later clients have, each behind its right. Throws where the table says nothing of one. */
export const withRights = (routes: readonly FaceRoute[], { ports, settings, caller }: RobotTools): readonly FaceRoute[] => {
  const isOpen = (): boolean => !ports.credentials.configured() && settings.organization === undefined

  const has = (right: Right, by: Caller, { c, guid }: { readonly c: HttpContext; readonly guid: string }): boolean => {
    switch (right) {
      case 'anyone':
        return true
      case 'operator':
        return isOpen() || by.isTrusted || by.isGod
      case 'service':
        return by.mayUse(serviceQueries(c.known.views(view)).byGuid(guid) ?? { guid, public: false })
      case 'god':
        // Without god mode nobody can have it: the route says so.
        return by.isGod || !settings.godMode
      case 'known':
        return !ports.credentials.configured() || by.isTrusted || by.isGod || by.hasSecret
    }
  }

  return routes.flatMap((route) => {
    const right = rightOf(route)
    if (right === null) return []
    const handle: FaceRoute['handle'] = async (c, params) =>
      has(right, await caller(c), { c, guid: params.service_guid ?? '' }) ? route.handle(c, params) : unauthorized()
    return [{ ...route, handle }]
  })
}
