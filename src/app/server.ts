import type { App, ServerOverrides } from '../app.ts'
import { createRelay } from '../bus/relay.ts'
import { allProjections } from '../catalogue.ts'
import { createRetry } from '../commands/retry.ts'
import { createForget } from '../commands/secret.ts'
import { createSubmit } from '../commands/submit.ts'
import type { Config } from '../config.ts'
import { createCrawlingFace } from '../http/crawling/face.ts'
import type { HttpPorts } from '../http/ports.ts'
import { buildServer } from '../http/server.ts'
import { urlOf } from '../http/url-of.ts'
import { crawlKind } from '../projections/crawling/pages.ts'
import { operationQueries } from '../projections/operations.ts'
import { createHeartbeat } from '../workers/crawling/heartbeat.ts'
import { createCrawlHolds } from '../workers/crawling/holds.ts'
import { createKinds } from '../workers/kinds.ts'
import { createSupervisor } from '../workers/supervisor.ts'
import type { Base } from './base.ts'
import { openCrawlingTopics } from './crawling-topics.ts'
import { createLifecycle } from './lifecycle.ts'
import { createNode } from './node.ts'
import { createOffice } from './office.ts'

/** Puts a server together: requests, views, relay and supervisor, and workers unless told otherwise. */
export const createApp = async (config: Config, base: Base, overrides: ServerOverrides): Promise<App> => {
  const { takesWork = true, version = '0.0.0' } = overrides
  const node = createNode({ config, overrides, base, views: allProjections })
  const { clock, logger, engines, projections, executor, secrets, health, identity } = node
  const { log, bus, leases, leadership } = engines

  const crawlHolds = createCrawlHolds({ views: projections.views('crawling-pages'), settings: config.crawling, clock })
  const operations = operationQueries({
    views: projections.views('operations'),
    leases,
    clock,
    holds: { [crawlKind]: crawlHolds.ofOperation },
  })
  const kinds = createKinds(node.works)
  const submit = createSubmit({ executor, kinds, secrets })
  const retry = createRetry({ executor, log, kinds, secrets, submit })
  const office = createOffice({
    leadership,
    relay: () => createRelay({ bus, projections, queries: operations, clock, logger }),
    supervisor: () => createSupervisor({ bus, executor, projections, queries: operations, leases, clock, logger }),
    logger,
  })
  const runtime = takesWork ? node.createRuntime(kinds) : undefined
  if (!takesWork && !engines.isShared) logger.warn('this server takes no work, and with an embedded log nobody else can')

  const settings = {
    maxBodyBytes: config.maxBodyBytes,
    extraHeaders: config.nativeHeadersOnFaces,
    allowedHosts: config.allowedHosts,
    allowedOrigins: config.allowedOrigins,
    trustedProxies: config.trustedProxies,
    version,
  }
  const { blobs, credentials } = node
  const ports: HttpPorts = {
    log,
    executor,
    submit,
    retry,
    forget: createForget({ executor, secrets }),
    projections,
    operations,
    kinds,
    leases,
    blobs,
    credentials,
    health,
    clock,
    logger,
    settings,
  }
  const crawlingTopics = await openCrawlingTopics(config, { ...ports, leadership, keepShort: engines.keepShort })
  const { bridge } = crawlingTopics ?? {}
  const server = buildServer(ports, [createCrawlingFace({ ports, settings: config.crawling, node: identity, bridge })])
  const heartbeat = createHeartbeat({ leases, clock, logger, node: identity })
  let url = ''

  const lifecycle = createLifecycle({
    clock,
    logger,
    steps: [
      async () => {
        url = urlOf(await server.listen({ host: config.host, port: config.port }))
      },
      () => projections.start(),
      // Alone it is ready once it has looked after everything; among others somebody else may be doing so.
      () => {
        const swept = office.campaign()
        if (!engines.isShared) return swept
        swept.catch(() => undefined)
      },
      () => Promise.all(engines.publishers.map((publisher) => publisher.start())),
      () => runtime?.start(),
      () => crawlingTopics?.start(),
      () => heartbeat.start(),
      async () => {
        health.started()
        logger.info({ url, head: await log.head(), kinds: runtime === undefined ? 0 : kinds.all.length }, 'ready')
      },
    ],
    drain: async () => {
      health.draining()
      logger.info({ running: runtime?.running().length ?? 0 }, 'draining')
      void office.leave()
      node.endWorks()
      await runtime?.stop(config.shutdownGraceMs)
    },
    parts: [
      { name: 'server', close: () => server.close() },
      { name: 'office', close: office.leave },
      { name: 'heartbeat', close: heartbeat.stop },
      { name: 'crawling topics', close: () => crawlingTopics?.stop() },
      ...engines.publishers.map((publisher) => ({ name: 'publisher', close: publisher.stop })),
      ...node.parts,
    ],
  })

  return { ...lifecycle, fetch: (request) => server.fetch(request), url: () => url, ports }
}
