import type { Bridge } from '../../commands/crawling/bridge.ts'
import type { CrawlingSettings } from '../../commands/crawling/settings.ts'
import { Unacceptable, Unavailable } from '../../lib/errors.ts'
import type { Face, FaceRoute } from '../faces/face.ts'
import type { HttpContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { createChanges } from '../reading/view-changes.ts'
import { Problem } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import { crawlRoutes } from './crawls.ts'
import { crossOrigin, failure } from './envelope.ts'
import { createFeed } from './feed.ts'
import { createForwardingFeed } from './forward-feed.ts'
import { createIndex } from './index-page.ts'
import { itemRoutes } from './items.ts'
import { messages } from './messages.ts'
import { type CrawlingNode, createNodeStatus } from './node-status.ts'
import { crawlingDocuments } from './openapi-routes.ts'
import { createPoll } from './poll.ts'
import { queueRoutes } from './queue.ts'
import { crawlingSummaries } from './summaries.ts'

/**
 * The REST service of Scrapy Cluster: `/`, `/feed`, `/poll`. It also answers for paths that belong to nobody.
 * Source: crawling contract, sections 1 to 5.
 */
export const createCrawlingFace = ({
  ports,
  settings,
  node,
  bridge,
  cluster,
}: {
  readonly ports: HttpPorts
  readonly settings: CrawlingSettings
  readonly node: CrawlingNode
  /** The Scrapy Cluster that this server stands in front of, in mode `bridge`. */
  readonly bridge?: Bridge | undefined
  /** The topics that this server reads and writes in mode `cluster`. */
  readonly cluster?: { connected(): boolean } | undefined
}): Face => {
  const awaited = new Set<string>()
  const closing = new AbortController()
  const changes = createChanges(ports)
  const status = createNodeStatus({ ports, node, bridge, cluster })
  const { id } = node
  const index = createIndex({ status, id })
  const feed =
    bridge === undefined
      ? createFeed({ ports, settings, changes, awaited, closing: closing.signal })
      : createForwardingFeed({ ports, settings, bridge, closing: closing.signal })
  const poll = createPoll({
    ports,
    retentionDays: settings.answerRetentionDays,
    isAwaited: (operationId) => awaited.has(operationId) || (bridge?.isAwaited(operationId) ?? false),
  })
  const routes: readonly FaceRoute[] = [
    { method: 'GET', path: '/', handle: index },
    { method: 'POST', path: '/', handle: index },
    { method: 'POST', path: '/feed', reads, handle: feed },
    { method: 'POST', path: '/poll', reads, handle: poll },
    ...paths.map((path) => ({ method: 'OPTIONS', path, handle: options })),
  ]

  return {
    name: 'crawling',
    fallback: true,
    owns: (path) => paths.includes(path) || path === '/feed/' || path === '/poll/',
    routes,
    // The index shows the server's health, whatever it is: contract crawling, section 2.
    alwaysAnswers: (_method, path) => path === '/',
    access: (method, path) => {
      // Clients of the robot face look whether a server is there: robot contract, row 21.
      if (method === 'OPTIONS' || (method === 'HEAD' && path === '/')) return 'open'
      return method === 'POST' && path !== '/' && paths.includes(path) ? 'write' : 'read'
    },
    close: () => {
      closing.abort()
      changes.close()
    },
    notFound: elsewhere,
    methodNotAllowed: elsewhere,
    unauthorised: (_c, reason) =>
      reason === 'forbidden'
        ? failure(403, { message: messages.forbidden })
        : failure(401, { message: messages.unauthenticated }, { 'WWW-Authenticate': 'Bearer realm="intendant"' }),
    failed: (c, error) => {
      // The index tells how the node is, above all while it is not well.
      const isIndex = c.path === '/' && !(error instanceof Problem && error.status < 500)
      return isIndex ? index() : unwell(c, error)
    },
    native: [...itemRoutes(ports, settings), ...queueRoutes({ ports, settings, status, id }), ...crawlRoutes({ settings })],
    summaries: crawlingSummaries,
    documents: crawlingDocuments,
  }
}

const paths = ['/', '/feed', '/poll']
const reads = ['crawling-answers']

/** Paths of requests alone still know GET: the original answers it with 404, as it does everywhere else. */
const allowOf = (path: string): string => (path === '/feed' || path === '/poll' ? 'POST, OPTIONS' : 'GET, HEAD, POST, OPTIONS')

function options(c: HttpContext): Reply {
  const allow = allowOf(c.path)
  const preflight = {
    'Access-Control-Allow-Methods': allow,
    'Access-Control-Allow-Headers': 'Content-Type, Authorization, Idempotency-Key, Event-Position, traceparent',
  }
  return { status: 200, headers: { Allow: allow, ...crossOrigin, ...preflight }, body: null }
}

/** Answers for paths that are not routes of this face. Source: crawling contract, section 1, rows 4 to 7. */
function elsewhere(c: HttpContext): Reply {
  const { method, path } = c
  if (method === 'OPTIONS') return options(c)
  if (method === 'GET' || method === 'HEAD' || method === 'POST') return failure(404, { message: messages.noEndpoint })
  return failure(405, { message: messages.methodNotAllowed }, { Allow: allowOf(path) })
}

/** Whatever keeps the server from its work is, in the words of this face, the broker or the store that is out of reach. */
const outOfReach: Readonly<Record<string, string>> = { '/feed': messages.noKafka, '/poll': messages.noRedis }

function unwell(c: HttpContext, error: unknown): Reply {
  const known = outOfReach[c.path]
  const retry = { 'Retry-After': '1' }
  if (error instanceof Unavailable && known !== undefined) return failure(500, { message: known }, retry)
  if (error instanceof Unacceptable) return failure(413, { message: messages.tooLarge })
  if (!(error instanceof Problem)) return failure(500, { message: messages.unknown })
  if (error.status === 503 && known !== undefined) return failure(500, { message: known }, retry)
  return failure(error.status, { message: error.message }, { ...(error.status === 503 ? retry : {}), ...error.details.headers })
}
