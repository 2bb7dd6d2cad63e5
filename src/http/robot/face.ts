import type { RobotFaceSettings } from '../../commands/robot/settings.ts'
import { Unacceptable, Unavailable } from '../../lib/errors.ts'
import type { Face, FaceRoute } from '../faces/face.ts'
import type { HttpContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { createChanges } from '../reading/view-changes.ts'
import { Problem } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import { templateDocuments } from './documents.ts'
import { robotError } from './error-body.ts'
import { logRoutes } from './logs.ts'
import { messages } from './messages.ts'
import { serviceRoutes } from './services.ts'
import { robotSummaries } from './summaries.ts'
import { addTaskMetrics } from './task-metrics.ts'
import { taskRoutes } from './tasks.ts'
import { templateRoutes } from './templates.ts'
import type { RobotMount, RobotTools } from './tools.ts'

/** ZeroRobot's API: `/blueprints`, `/templates`, `/services`, `/robot`, and the same for later clients under `/zrobot/0.9`. */
export const createRobotFace = ({
  ports,
  settings,
}: {
  readonly ports: HttpPorts
  readonly settings: RobotFaceSettings
}): Face => {
  const closing = new AbortController()
  let endMetrics = (): void => {}
  const changes = createChanges(ports)
  const routes = mounts.flatMap((mount) => mounted(mount, { ports, settings, changes, closing: closing.signal, mount }))
  return {
    name: 'robot',
    owns: (path) => owned.some((own) => path === own || path.startsWith(`${own}/`)),
    routes,
    access: (method) => (method === 'GET' || method === 'HEAD' ? 'read' : 'write'),
    metrics: (registry) => {
      endMetrics = addTaskMetrics(registry, ports)
    },
    close: () => {
      closing.abort()
      endMetrics()
      changes.close()
    },
    notFound: ({ method, sentPath }) => robotError(404, { message: `${method} ${sentPath} not found` }),
    methodNotAllowed: ({ method, sentPath }, allow) => {
      const methods = allow.filter((one) => one !== 'OPTIONS').join(', ')
      return robotError(405, { message: `${method} ${sentPath} is not possible; ${methods} are` }, { Allow: methods })
    },
    unauthorised: (_c, reason, scope) =>
      reason === 'forbidden'
        ? robotError(403, { message: `the credentials do not have the scope ${scope}` })
        : robotError(401, { message: messages.unauthorized }, { 'WWW-Authenticate': 'Bearer realm="Authentication Required"' }),
    failed,
    summaries: robotSummaries,
    documents: templateDocuments,
  }
}

const owned = ['/blueprints', '/templates', '/services', '/robot', '/zrobot/0.9']

const mounts: readonly RobotMount[] = [{ prefix: '', profile: 'seed' }]

const rooms: readonly ((tools: RobotTools) => readonly FaceRoute[])[] = [templateRoutes, serviceRoutes, taskRoutes, logRoutes]

/** The routes of one mount; each room says its paths without the prefix. */
const mounted = ({ prefix }: RobotMount, tools: RobotTools): readonly FaceRoute[] =>
  rooms.flatMap((routes) => routes(tools)).map((route) => ({ ...route, path: `${prefix}${route.path}` }))

function failed(_c: HttpContext, error: unknown): Reply {
  if (error instanceof Unacceptable) return robotError(413, { message: error.message })
  if (error instanceof Unavailable) return robotError(503, { message: 'the store does not answer' }, retry)
  if (!(error instanceof Problem)) return robotError(500, { message: messages.internal })
  const { status, message, details } = error
  return robotError(status, { message }, { ...(status === 503 ? retry : {}), ...details.headers })
}

const retry = { 'Retry-After': '1' }
