import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { chooseKinds, ownPrefix } from '../commands/kind.ts'
import { type Config, InvalidSettings } from '../config.ts'
import { createHealthServer } from '../http/server/health-server.ts'
import { urlOf } from '../http/server/url-of.ts'
import type { Projection } from '../projections/projection.ts'
import type { KindPatterns } from '../workers/engine/kind-patterns.ts'
import type { Runtime } from '../workers/engine/runtime.ts'
import { projectionsFor } from './faces.ts'
import { createLifecycle, type Lifecycle } from './lifecycle.ts'
import { createNode, type Overrides } from './node.ts'
import { type Base, buildUpon, openBase } from './resources.ts'

export interface WorkerApp extends Lifecycle {
  /** Where it tells how it is, once it does; empty where `PORT` is off. */
  url(): string
  readonly kinds: readonly string[]
  readonly state: () => 'starting' | 'ready' | 'draining' | 'failing'
}

/**
 * Puts together a process that only works: it builds the views that its kinds read, takes jobs of these kinds, and answers
 * nothing but how it is. Throws `InvalidSettings` without engines that processes can share, and else as `openBase` does.
 */
export const buildWorker = async (
  config: Config,
  { patterns, ...overrides }: Overrides & { readonly patterns: KindPatterns },
): Promise<WorkerApp> => {
  if (config.eventStoreDb === undefined || config.kafka === undefined) throw new InvalidSettings(alone(config))
  const views = projectionsFor(
    config.faces.map(({ module }) => module),
    patterns.matches,
  )
  const base = await openBase({ config, overrides, command: 'worker' })
  return buildUpon(base, () => assemble(config, base, { patterns, views, overrides }))
}

const assemble = async (
  config: Config,
  base: Base,
  {
    patterns,
    views,
    overrides,
  }: { readonly patterns: KindPatterns; readonly views: readonly Projection[]; readonly overrides: Overrides },
): Promise<WorkerApp> => {
  const node = await createNode({ config, overrides, base, views })
  const { clock, logger, engines, projections, health } = node

  const known = node.kinds.all.map(({ kind }) => kind)
  // Kinds of one's own may come later.
  const idle = patterns.idle(known).find((pattern) => !pattern.startsWith(ownPrefix))
  if (idle !== undefined) throw new InvalidSettings(`"${idle}" is not a known kind of work; the kinds are ${known.join(', ')}`)
  const kinds = chooseKinds(node.kinds, { matches: patterns.matches, mayCome: patterns.touches(ownPrefix) })
  const names = kinds.all.map(({ kind }) => kind)
  const runtime = node.createRuntime(kinds, { hearsRequests: true })
  const server = createHealthServer({ health, credentials: node.credentials, registry: metricsOf(runtime) })
  let url = ''

  const lifecycle = createLifecycle({
    clock,
    logger,
    steps: [
      async () => {
        if (config.port !== undefined) url = urlOf(await server.listen({ host: config.host, port: config.port }))
      },
      () => Promise.all([views.length > 0 ? projections.start() : undefined, engines.start()]),
      () => runtime.start(),
      () => {
        health.started()
        logger.info({ url, kinds: names }, 'ready')
      },
    ],
    drain: async () => {
      health.draining()
      logger.info({ running: runtime.running().length }, 'draining')
      node.endWorks()
      await runtime.stop(config.shutdownGraceMs)
    },
    parts: [{ name: 'health server', close: server.close }, ...node.parts],
  })

  return { ...lifecycle, url: () => url, kinds: names, state: health.state }
}

const metricsOf = (runtime: Runtime): Registry => {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  new Gauge({
    name: 'intendant_worker_running',
    help: 'Attempts that run now',
    registers: [registry],
    collect() {
      this.set(runtime.running().length)
    },
  })
  return registry
}

const alone = ({ eventStoreDb }: Config): string => {
  const missing = eventStoreDb === undefined ? 'EVENTSTOREDB_URL and KAFKA_BROKERS are' : 'KAFKA_BROKERS is'
  return (
    `a worker shares its log and its bus with a server, and ${missing} not set. ` +
    'The embedded log has one writer: "intendant serve" works off its operations itself (WORKER_CONCURRENCY).'
  )
}
