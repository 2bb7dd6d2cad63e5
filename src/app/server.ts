import type { KafkaSettings } from '../bus/kafka/settings.ts'
import { createForget } from '../commands/forget-secrets.ts'
import { createSchedules } from '../commands/schedules/schedules.ts'
import { openValue, sealValue } from '../commands/sealing.ts'
import { createSubmitBatch } from '../commands/submit-batch.ts'
import type { Config } from '../config.ts'
import type { HttpPorts } from '../http/faces/http-ports.ts'
import { buildServer } from '../http/server/server.ts'
import { urlOf } from '../http/server/url-of.ts'
import { createLimitGate } from '../workers/engine/limit-gate.ts'
import { createRelay } from '../workers/engine/relay.ts'
import { createSupervisor } from '../workers/engine/supervisor.ts'
import { openTopics } from './engines/open-topics.ts'
import { projectionsOf } from './faces.ts'
import { openKnowledge } from './knowledge.ts'
import { createLifecycle } from './lifecycle.ts'
import { createNode, type Overrides } from './node.ts'
import { createOffice } from './relay-and-supervisor.ts'
import type { Base } from './resources.ts'
import { createServices } from './services.ts'
import { createTlsListener } from './tls-listener.ts'

/** Puts a server together: requests, views, relay and supervisor, and workers unless told otherwise. */
export const createApp = async (config: Config, base: Base, overrides: ServerOverrides): Promise<App> => {
  const { takesWork = true, version = '0.0.0' } = overrides
  const tls = createTlsListener(config, base)
  const node = await createNode({ config, overrides, base, views: projectionsOf(config.faces.map(({ module }) => module)) })
  const { clock, logger, engines, projections, executor, secrets, health, kinds, submit, retry } = node
  const { log, bus, leases, leadership } = engines

  const known = await openKnowledge(node, config)
  const { knowledge } = known
  const operations = known.operations(knowledge.present(known.operations.reads))
  const forget = createForget({ executor, secrets })
  const office = createOffice({
    leadership,
    newTerm: () => {
      const gate = createLimitGate({ log, executor, projections, queries: operations, leases, clock, logger })
      return {
        gate,
        relay: createRelay({ bus, projections, queries: operations, gate, clock, logger }),
        supervisor: createSupervisor({ bus, executor, projections, queries: operations, gate, leases, clock, logger }),
      }
    },
    logger,
  })
  const runtime = takesWork ? node.createRuntime(kinds) : undefined
  if (!takesWork && !engines.isShared) logger.warn('this server runs no work, and no other process can with an embedded log')

  const settings = {
    maxBodyBytes: config.maxBodyBytes,
    maxBodiesBytes: config.maxBodiesBytes,
    maxBlobBytes: config.maxBlobBytes,
    bodyIdleMs: config.bodyIdleMs,
    extraHeaders: config.nativeHeadersOnFaces,
    allowedHosts: config.allowedHosts,
    allowedOrigins: config.allowedOrigins,
    trustedProxies: config.trustedProxies,
    sharesLog: engines.isShared,
    version,
  }
  const { blobs, uploads, credentials } = node
  const ports: HttpPorts = {
    log,
    executor,
    submit,
    submitBatch: createSubmitBatch({ executor, prepare: node.prepare, blobs: node.blobFiles }),
    retry,
    schedules: createSchedules({ executor, kinds, secrets, submit, forget, blobs: node.blobFiles, clock }),
    forget,
    seal: (subject, value) => sealValue(subject, value, secrets),
    unseal: (kept) => openValue(kept, secrets),
    projections,
    knowledge,
    operations: known.operations,
    kinds,
    leases,
    blobs,
    uploads,
    blobFiles: node.blobFiles,
    credentials,
    health,
    clock,
    logger,
    settings,
  }
  const served = await Promise.all(
    config.faces.map(async ({ module, settings }) => {
      const { keepShort } = engines
      const open = (brokers: KafkaSettings) => openTopics(brokers, { clock, logger })
      const {
        face,
        services = [],
        checks = {},
        prepare,
      } = (await module.serve?.({ ...node.faceNode, settings, ports, leadership, keepShort, openTopics: open })) ?? {}
      if (face !== undefined && face.name !== module.name)
        throw new Error(`the face "${module.name}" serves under the name "${face.name}"`)
      for (const [name, ask] of Object.entries(checks)) health.watch(name, ask)
      return { face, prepare, services: createServices({ face: module.name, services, leadership, logger }) }
    }),
  )
  const server = buildServer(
    ports,
    served.flatMap(({ face }) => face ?? []),
  )
  if (tls !== undefined) health.watch('tls', tls.check)
  let url: string | undefined

  const lifecycle = createLifecycle({
    clock,
    logger,
    steps: [
      async () => {
        if (config.port !== undefined) url = urlOf(await server.listen({ host: config.host, port: config.port }))
        await tls?.listen(server)
        node.answersAt(url ?? tls?.url())
      },
      () => Promise.all([projections.start(), engines.start()]),
      known.start,
      () => Promise.all(served.map(({ prepare }) => prepare?.())),
      // Alone it is ready once it has looked after everything; among others somebody else may be doing so.
      () => {
        const swept = office.campaign()
        if (!engines.isShared) return swept
        swept.catch(() => undefined)
      },
      () => Promise.all(engines.publishers.map((publisher) => publisher.start())),
      () => runtime?.start(),
      () => Promise.all(served.map(({ services }) => services.start())),
      async () => {
        health.started()
        logger.info(
          { url, tlsUrl: tls?.url(), head: await log.head(), kinds: runtime === undefined ? 0 : kinds.all.length },
          'ready',
        )
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
      ...(tls === undefined ? [] : [{ name: 'certificates', close: tls.stop }]),
      { name: 'server', close: () => server.close() },
      { name: 'office', close: office.leave },
      ...served.flatMap(({ services }) => services.parts),
      ...known.parts,
      ...engines.publishers.map((publisher) => ({ name: 'publisher', close: publisher.stop })),
      ...node.parts,
    ],
  })

  return {
    ...lifecycle,
    fetch: (request) => server.fetch(request),
    url: () => url ?? tls?.url() ?? '',
    tlsUrl: () => tls?.url(),
    ports,
  }
}

export interface ServerOverrides extends Overrides {
  /** Whether this process carries out operations too. Default true. */
  readonly takesWork?: boolean
}

export interface App {
  /** Listens at once and answers 503 `starting`; resolves when the views are live and work is taken. */
  start(): Promise<void>
  /** Takes no new work, hands running work back or lets it end within the grace, closes everything. Resolves when all is closed. */
  stop(): Promise<void>
  /** Answers a request without a socket. */
  readonly fetch: (request: Request) => Response | Promise<Response>
  /** Where it listens, once it does: without TLS where it does both. */
  url(): string
  /** Where it listens with TLS, once it does. */
  tlsUrl(): string | undefined
  readonly ports: HttpPorts
}
