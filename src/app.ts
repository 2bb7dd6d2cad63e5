import { hostname } from 'node:os'
import { type Logger, pino } from 'pino'
import { createInProcessBus } from './bus/in-process.ts'
import { createRelay } from './bus/relay.ts'
import { allProjections } from './catalogue.ts'
import { createExecutor } from './commands/execute.ts'
import { createRetry } from './commands/retry.ts'
import { createSubmit } from './commands/submit.ts'
import { type Config, InvalidSettings, isLoopback } from './config.ts'
import { dataDirectory } from './data-directory.ts'
import { createHealth } from './health.ts'
import { createCrawlingFace } from './http/crawling/face.ts'
import type { HttpPorts } from './http/ports.ts'
import { buildServer } from './http/server.ts'
import { type Clock, instant, systemClock } from './lib/clock.ts'
import { newId, sha256 } from './lib/ids.ts'
import { createProjections } from './projections/engine.ts'
import { operationQueries } from './projections/operations.ts'
import { openCredentials } from './stores/credentials.ts'
import { openBlobs } from './stores/embedded/blobs.ts'
import { lockDataDir } from './stores/embedded/lock.ts'
import { openEmbeddedLog } from './stores/embedded/log.ts'
import { loadMasterKey, openSecrets } from './stores/embedded/secrets.ts'
import { crawlingWorks } from './workers/crawling/works.ts'
import { createKinds } from './workers/kinds.ts'
import { createLocalLeases } from './workers/leases.ts'
import { probe } from './workers/probe.ts'
import { createRuntime } from './workers/runtime.ts'
import { createSupervisor } from './workers/supervisor.ts'
import type { Work } from './workers/work.ts'

/** What tests and embedding programs bring along instead of the defaults. */
export interface Overrides {
  readonly clock?: Clock
  readonly logger?: Logger
  /** Further kinds of work. */
  readonly works?: readonly Work[]
  /** Shown in the OpenAPI document. */
  readonly version?: string
}

export interface App {
  /** Listens at once and answers 503 `starting`; resolves when the views are live and work is taken. */
  start(): Promise<void>
  /** Takes no new work, hands running work back or lets it end within the grace, closes everything. Resolves when all is closed. */
  stop(): Promise<void>
  /** Answers a request without a socket. */
  readonly fetch: (request: Request) => Response | Promise<Response>
  /** Where it listens, once it does. */
  url(): string
  readonly ports: HttpPorts
}

/**
 * Puts the program together: the only place that knows which adapter stands behind a port. Takes the data directory and opens
 * the log; throws `InvalidSettings` where the settings contradict each other, `DataDirHeld` where another process holds the
 * directory, `Unavailable` where it cannot be used.
 */
export const buildApp = async (config: Config, overrides: Overrides = {}): Promise<App> => {
  const { clock = systemClock, version = '0.0.0' } = overrides
  const logger = overrides.logger ?? pino({ level: config.logLevel }, pino.destination(2))
  const credentials = openCredentials(config.credentialsFile)
  if (!isLoopback(config.host) && !credentials.configured()) throw new InvalidSettings(openToAll(config))

  const data = dataDirectory(config.dataDir)
  const holder = { pid: process.pid, host: hostname(), command: 'serve', listens: `${config.host}:${config.port}` }
  const lock = lockDataDir(data.directory, { ...holder, since: instant(clock.now()) })
  const opened = async () => {
    const { secretsKey } = config
    const masterKey = loadMasterKey({
      directory: data.directory,
      ...(secretsKey === undefined ? {} : { fromSetting: secretsKey }),
    })
    return { masterKey, log: await openEmbeddedLog({ path: data.log, clock }) }
  }
  const { masterKey, log } = await opened().catch((error: unknown) => {
    lock.release()
    throw error
  })

  const secrets = openSecrets({ log, masterKey })
  const blobs = openBlobs(data.blobs)
  const projections = createProjections({ log, directory: data.views, projections: allProjections, clock, logger })
  const executor = createExecutor({ log, clock })
  const bus = createInProcessBus()
  const leases = createLocalLeases()
  const operations = operationQueries({ views: projections.views('operations'), leases, clock })
  const node = { id: sha256(newId()).slice(0, 12), host: hostname(), startedAt: clock.now() }
  const crawling = new AbortController()
  const works = crawlingWorks({
    log,
    executor,
    projections,
    blobs,
    leases,
    settings: config.crawling,
    clock,
    logger,
    node,
    signal: crawling.signal,
  })
  const kinds = createKinds([probe(clock) as Work, ...works, ...(overrides.works ?? [])])
  const submit = createSubmit({ executor, kinds, secrets })
  const retry = createRetry({ executor, log, kinds, secrets, submit })

  const supervisor = createSupervisor({ bus, executor, projections, queries: operations, leases, clock, logger })
  const relay = createRelay({ bus, projections, queries: operations, clock, logger })
  const runtime = createRuntime({
    name: hostname(),
    host: hostname(),
    log,
    bus,
    executor,
    leases,
    kinds,
    secrets,
    clock,
    logger,
    concurrency: config.workerConcurrency,
    leaseMs: config.leaseMs,
  })

  const health = createHealth({ log, projections })
  const settings = { maxBodyBytes: config.maxBodyBytes, extraHeaders: config.nativeHeadersOnFaces, version }
  const ports: HttpPorts = {
    log,
    executor,
    submit,
    retry,
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
  const server = buildServer(ports, [createCrawlingFace({ ports, settings: config.crawling, node })])
  let url = ''

  /** Closes from the outside in, whatever was opened: a failure of one part does not keep the others open. */
  const close = async (): Promise<void> => {
    supervisorStopped ??= supervisor.stop()
    for (const part of [
      () => server.close(),
      () => supervisorStopped,
      () => bus.close(),
      () => projections.stop(),
      () => log.close(),
    ]) {
      try {
        await part()
      } catch (error) {
        logger.error({ err: error }, 'a part did not close')
      }
    }
    lock.release()
  }
  let supervisorStopped: Promise<void> | undefined
  let stopped: Promise<void> | undefined

  const stop = async (): Promise<void> => {
    health.draining()
    logger.info({ running: runtime.running().length }, 'draining')
    relay.stop()
    supervisorStopped = supervisor.stop()
    crawling.abort()
    await runtime.stop(config.shutdownGraceMs)
    await close()
    logger.info('stopped')
  }

  /** A stop that was asked for meanwhile wins over the steps of the start. */
  const start = async (): Promise<void> => {
    const address = await server.listen({ host: config.host, port: config.port })
    url = `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
    for (const step of [() => projections.start(), () => supervisor.sweep(), () => relay.start(), () => runtime.start()]) {
      if (stopped !== undefined) return
      await step()
    }
    if (stopped !== undefined) return
    supervisor.start()
    health.started()
    logger.info({ url, head: await log.head(), kinds: kinds.all.length }, 'ready')
  }

  return {
    start: async () => {
      try {
        await start()
      } catch (error) {
        if (stopped !== undefined) return
        await close()
        throw error
      }
    },
    stop: () => {
      stopped ??= stop()
      return stopped
    },
    fetch: (request) => server.fetch(request),
    url: () => url,
    ports,
  }
}

const openToAll = ({ host, credentialsFile }: Config): string =>
  `HOST ${host} is reachable from other machines, and no credentials are configured (${credentialsFile}). ` +
  'Make some with "intendant credentials add NAME --scope \'*\'", or listen on 127.0.0.1.'
