import type { RobotFaceSettings } from '../../commands/robot/settings.ts'
import { Unacceptable, Unavailable } from '../../lib/errors.ts'
import type { Face, FaceRoute } from '../faces/face.ts'
import type { HttpContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { createChanges } from '../reading/view-changes.ts'
import { Problem } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import { blueprintDocuments } from './blueprint-documents.ts'
import { blueprintRoutes } from './blueprints.ts'
import { createCallers, seedCaller } from './callers.ts'
import { templateDocuments } from './documents.ts'
import { robotError, unauthorized } from './error-body.ts'
import { godTokenRoute } from './god-token.ts'
import { laterDocuments } from './later-documents.ts'
import { laterPrefix, withRights } from './later-rights.ts'
import { logRoutes } from './logs.ts'
import { messages } from './messages.ts'
import { robotInfoDocuments } from './robot-documents.ts'
import { robotInfoRoutes } from './robot-info.ts'
import { serviceDocuments } from './service-documents.ts'
import { serviceRoutes } from './services.ts'
import { robotSummaries } from './summaries.ts'
import { taskDocuments } from './task-documents.ts'
import { addTaskMetrics } from './task-metrics.ts'
import { taskRoutes } from './tasks.ts'
import { templateRoutes } from './templates.ts'
import type { RobotTools } from './tools.ts'
import { webHookRoutes } from './web-hooks.ts'

/** ZeroRobot's API: `/blueprints`, `/templates`, `/services`, `/robot`, and the same for later clients under `/zrobot/0.9`. */
export const createRobotFace = ({
  ports,
  settings,
  secrets,
  isStorageHealthy,
}: {
  readonly ports: HttpPorts
  readonly settings: RobotFaceSettings
} & Pick<RobotTools, 'secrets' | 'isStorageHealthy'>): Face => {
  const closing = new AbortController()
  let endMetrics = (): void => {}
  const changes = createChanges(ports)
  const callers = createCallers({ credentials: ports.credentials, secrets, settings })
  const tools = { ports, settings, changes, closing: closing.signal, secrets, isStorageHealthy }
  const access: Face['access'] = (method) => (method === 'GET' || method === 'HEAD' ? 'read' : 'write')
  return {
    name: 'robot',
    owns: (path) => owned.some((own) => path === own || path.startsWith(`${own}/`)),
    routes: [
      ...mounted({ ...tools, mount: { prefix: '', profile: 'seed' }, caller: async () => seedCaller }),
      ...mounted({ ...tools, mount: { prefix: laterPrefix, profile: '0.9' }, caller: callers.of }),
    ],
    access,
    authenticate: async (c) =>
      c.path.startsWith(`${laterPrefix}/`) ? callers.authenticate(c, access(c.method, c.path)) : undefined,
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
      reason === 'forbidden' ? robotError(403, { message: `the credentials do not have the scope ${scope}` }) : unauthorized(),
    failed,
    native: [godTokenRoute({ secrets, settings })],
    summaries: robotSummaries,
    documents: [...documents, ...laterDocuments(documents)],
  }
}

const owned = ['/blueprints', '/templates', '/services', '/robot', laterPrefix]

const documents = [...blueprintDocuments, ...templateDocuments, ...serviceDocuments, ...taskDocuments, ...robotInfoDocuments]

const rooms: readonly ((tools: RobotTools) => readonly FaceRoute[])[] = [
  blueprintRoutes,
  templateRoutes,
  serviceRoutes,
  taskRoutes,
  logRoutes,
  robotInfoRoutes,
  webHookRoutes,
]

/** The routes of one mount; each room says its paths without the prefix. */
const mounted = (tools: RobotTools): readonly FaceRoute[] => {
  const { prefix, profile } = tools.mount
  const routes = rooms.flatMap((routesOf) => routesOf(tools))
  const offered = profile === '0.9' ? withRights(routes, tools) : routes
  return offered.map((route) => ({ ...route, path: `${prefix}${route.path}` }))
}

function failed(_c: HttpContext, error: unknown): Reply {
  if (error instanceof Unacceptable) return robotError(413, { message: error.message })
  if (error instanceof Unavailable) return robotError(503, { message: 'the store does not answer' }, retry)
  if (!(error instanceof Problem)) return robotError(500, { message: messages.internal })
  const { status, message, details } = error
  return robotError(status, { message }, { ...(status === 503 ? retry : {}), ...details.headers })
}

const retry = { 'Retry-After': '1' }
